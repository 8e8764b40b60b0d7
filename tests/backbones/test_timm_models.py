"""timm's models as backbones: those that give maps, those whose tokens are folded, and those refused."""

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lymphoscope.backbones import create_backbone
from lymphoscope.backbones.timm_models import TimmTransformer
from lymphoscope.errors import LymphoscopeError


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext", "test_byobnet", "test_nfnet"])
def test_a_convolutional_model_gives_what_timm_s_own_features_are(name: str) -> None:
    torch.manual_seed(0)
    backbone = create_backbone(name).eval()
    whole = timm.create_model(name, num_classes=5).eval()
    whole.load_state_dict(backbone.body.state_dict(), strict=False)
    images = torch.randn(2, 3, 96, 64)
    features = backbone(images)
    assert features.shape == (2, backbone.channels, 3, 2)
    torch.testing.assert_close(features, whole.forward_features(images))


def test_features_are_what_the_classifier_averages() -> None:
    torch.manual_seed(0)
    whole = timm.create_model("test_resnet", num_classes=5).eval()
    backbone = create_backbone("test_resnet").eval()
    backbone.body.load_state_dict(whole.state_dict(), strict=False)
    images = torch.randn(2, 3, 64, 64)
    logits: Tensor = whole.fc(backbone(images).mean(dim=(2, 3)))
    torch.testing.assert_close(logits, whole(images))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_vit", "test_vit2", "vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"])
def test_a_transformer_gives_a_map_of_patches(name: str) -> None:
    with torch.device("meta"):
        backbone = create_backbone(name).eval()
        features = backbone(torch.empty(2, 3, 300, 140))
    assert isinstance(backbone, TimmTransformer)
    grid = [round(side / patch) for side, patch in zip((300, 140), backbone.patch, strict=True)]
    assert features.shape == (2, backbone.channels, *grid)


@pytest.mark.parametrize("name", ["test_vit", "test_vit2"])  # the second has register tokens
def test_a_patch_lies_where_it_lies_in_the_image(name: str) -> None:
    torch.manual_seed(0)
    backbone = create_backbone(name).eval()
    assert isinstance(backbone, TimmTransformer)
    backbone.body.blocks = nn.Identity()  # without attention a patch changes its own token alone
    images = torch.randn(1, 3, 96, 128)
    changed = images.clone()
    changed[:, :, 2 * 16 : 3 * 16, 5 * 16 : 6 * 16] += 1.0
    difference = (backbone(changed) - backbone(images)).abs().sum(dim=(0, 1))
    assert backbone.patch == (16, 16)
    assert difference.nonzero().tolist() == [[2, 5]]


def test_a_side_between_patches_is_resized_to_the_nearest_whole_number() -> None:
    torch.manual_seed(0)
    backbone = create_backbone("test_vit").eval()
    for size, fitted in ((100, 96), (105, 112), (5, 16)):
        images = torch.randn(1, 3, size, size)
        expected = backbone(F.interpolate(images, (fitted, fitted), mode="bilinear", align_corners=False))
        torch.testing.assert_close(backbone(images), expected)


def test_gradients_reach_a_transformer_s_patches() -> None:
    backbone = create_backbone("test_vit")
    backbone(torch.randn(2, 3, 64, 64)).square().mean().backward()
    assert backbone.body.patch_embed.proj.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "test_mambaout", "resnet18.no_such_weights"])
def test_a_model_without_maps_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(LymphoscopeError, match=f"backbone {name}: no feature maps at 300 pixels") as refusal:
        create_backbone(name)
    assert "\n" not in str(refusal.value)
