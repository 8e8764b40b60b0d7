"""`model.features`: a backbone cut after a stage computes what the whole one computes there."""

import pytest
import timm
import torch
from torch import nn

from lymphoscope.backbones import count_parameters, create_backbone, list_backbones, multiply_adds
from lymphoscope.backbones.stages import cut_after, find_stage, stages_of
from lymphoscope.errors import LymphoscopeError

STAGES = {
    "resnet18": "layer3",
    "regnetx_002": "s3",
    "mobilenetv2_100": "blocks.4",
    "efficientnet_lite0": "blocks.3",
    "inception_v1": "stage_4",
    "inception_v2": "stage_3",
    "inception_v3": "Mixed_6e",
    "inception_v4": "features.17",
    "inception_resnet_v2": "repeat_1",
    "legacy_seresnext26_32x4d": "layer2",
    "densenet121": "features.denseblock3",
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stage"), STAGES.items())
def test_cut_backbone_gives_the_features_of_the_whole_one_at_the_stage(name: str, stage: str) -> None:
    torch.manual_seed(0)
    whole = create_backbone(name).eval()
    torch.manual_seed(0)
    cut = create_backbone(name, features=stage).eval()
    body = getattr(whole, "body", whole)
    outputs: list[torch.Tensor] = []
    body.get_submodule(stage).register_forward_hook(lambda *call: outputs.append(call[2].clone()))
    images = torch.randn(2, 3, 96, 128)
    with torch.no_grad():
        whole(images)
        features = cut(images)
    torch.testing.assert_close(features, outputs[0])
    assert (cut.name, cut.channels) == (name, features.shape[1])


def test_cut_backbone_keeps_the_names_of_its_parameters() -> None:
    whole, cut = create_backbone("resnet18"), create_backbone("resnet18", features="layer2")
    assert set(cut.state_dict()) < set(whole.state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("name", list_backbones())
def test_every_backbone_can_be_cut_after_every_stage(name: str) -> None:
    with torch.device("meta"):
        body = getattr(create_backbone(name), "body", None)
        stages = stages_of(body, [info["module"] for info in body.feature_info]) if body is not None else ["stage_3"]
        some = stages[:: max(len(stages) // 3, 1)]
        sizes = [count_parameters(create_backbone(name, features=stage)) for stage in some]
        assert sizes == sorted(sizes)
        assert sizes[-1] <= count_parameters(create_backbone(name))


def test_counts_follow_the_cut() -> None:
    with torch.device("meta"):
        whole, cut = (create_backbone("efficientnet_lite0", features=features) for features in (None, "block3"))
    assert count_parameters(cut) == 253_984
    assert count_parameters(whole) == 3_371_008
    assert multiply_adds(cut, 256) < 0.42 * multiply_adds(whole, 256)


def test_transformer_is_cut_after_a_block_without_its_last_normalisation() -> None:
    torch.manual_seed(0)
    whole = create_backbone("test_vit").eval()
    torch.manual_seed(0)
    cut = create_backbone("test_vit", features="block2").eval()
    images = torch.randn(1, 3, 96, 64)
    _, (tokens,) = whole.body.forward_intermediates(images, indices=[2], norm=False, output_fmt="NCHW")
    torch.testing.assert_close(cut(images), tokens)
    assert len(cut.body.blocks) == 3


@pytest.mark.parametrize("features", ["blocks.3", "block3", "block_3", 3, -4])
def test_stage_is_found_by_name_short_name_and_index(features: str | int) -> None:
    stages = [f"blocks.{number}" for number in range(7)]
    assert find_stage(features, stages, "efficientnet_lite0") == "blocks.3"


@pytest.mark.parametrize("features", ["layer9", "", 5, -6])
def test_unknown_stage_is_refused_with_the_known_ones(features: str | int) -> None:
    with pytest.raises(LymphoscopeError, match=r"resnet18 has no stage .* act1, layer1, layer2, layer3, layer4"):
        create_backbone("resnet18", features=features)


class _Skip(nn.Module):
    """Not sequential: the second layer gets the input as well."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.second(images + self.first(images))
        return output


def test_network_that_is_not_sequential_is_refused() -> None:
    cut_after(_Skip(), "first")
    with pytest.raises(LymphoscopeError, match="cannot be cut after second: it is not a sequence"):
        cut_after(_Skip(), "second")


def test_cut_leaves_the_mode_and_the_random_numbers_as_they_were() -> None:
    body = timm.create_model("test_resnet").train()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    statistics = body.bn1.running_mean.clone()
    trunk, channels = cut_after(body, "layer2")
    assert trunk.training and body.training
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(body.bn1.running_mean, statistics)
    assert channels == trunk(torch.randn(1, 3, 64, 64)).shape[1]
