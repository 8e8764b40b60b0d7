"""What tests of several commands share: two tiny untrained models."""

from pathlib import Path

import pytest

from lymphoscope.model_file import Architecture, Description, Preprocessing, build_network, save_model


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tiny untrained models, `attention` and `linear`."""
    folder = tmp_path_factory.mktemp("models")
    for head in ("attention", "linear"):
        architecture = Architecture.model_validate({"backbone": "test_resnet", "head": head, "num_maps": 4})
        description = Description(
            name=f"tiny {head}",
            architecture=architecture,
            classes=("all", "hem"),
            blast_class="all",
            preprocessing=Preprocessing(crop_mode="resize", size=64, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)),
        )
        save_model(build_network(architecture, 2).eval(), description, folder / head)
    return folder
