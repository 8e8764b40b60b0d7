"""Recipes from YAML and the command line: every error names the key, in one line."""

from pathlib import Path

import pytest
import yaml

from lymphoscope.errors import LymphoscopeError
from lymphoscope.training import load_recipe, parse_recipe, preset_names, recipe_yaml


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid_and_round_trips_through_yaml(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert parse_recipe(yaml.safe_load(recipe_yaml(recipe)), "again") == recipe


def test_paper_preset_equals_the_defaults() -> None:
    assert load_recipe("paper") == parse_recipe({}, "defaults")


def test_wsdan_preset_has_its_thresholds_and_losses() -> None:
    recipe = load_recipe("wsdan")
    assert (recipe.attention.crop_threshold, recipe.attention.erase_threshold) == ((0.4, 0.6), (0.2, 0.5))
    assert (recipe.test_time.crop_threshold, recipe.test_time.crop_padding) == (0.1, 0.05)
    assert (recipe.test_time.streams, recipe.test_time.decision) == (("raw", "crop"), "mean")
    assert recipe.optimisation.centre_loss > 0


def test_overrides_apply_in_order_and_are_typed() -> None:
    recipe = load_recipe("quick", ["optimisation.epochs=3", "model.pretrained=true", "optimisation.epochs=4"])
    assert (recipe.optimisation.epochs, recipe.model.pretrained) == (4, True)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "optimisation.lerning_rate=1",
            r"unknown key `optimisation.lerning_rate`: did you mean `optimisation.learning_rate`",
        ),
        ("epochs=3", r"unknown key `epochs`: did you mean `optimisation.epochs`"),
        ("optimisation.epochs=0", r"`optimisation.epochs`: .*greater than or equal to 1"),
        ("optimisation.epochs", r"write it as --set section.key=value"),
        ("seed.a=1", r"`seed` is a value, not a section"),
        ("streams=quaternary", r"`streams`: .*'ternary' or 'raw'"),
        ("seed=[", r"not valid YAML"),
    ],
)
def test_invalid_override_is_one_line(override: str, message: str) -> None:
    with pytest.raises(LymphoscopeError, match=message) as caught:
        load_recipe("quick", ["seed=1", override])
    assert "\n" not in str(caught.value)


def test_invalid_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match="unknown recipe 'fast': give a YAML file or one of baseline"):
        load_recipe("fast")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1,")
    with pytest.raises(LymphoscopeError, match="is not valid YAML"):
        load_recipe(str(broken))
    broken.write_text("just words")
    with pytest.raises(LymphoscopeError, match="has no keys"):
        load_recipe(str(broken))


def test_pretrained_and_initial_weights_exclude_each_other() -> None:
    with pytest.raises(LymphoscopeError, match="exclude each other"):
        load_recipe("quick", ["model.pretrained=true", "model.initial_weights=runs/a/model"])


def test_centre_loss_is_refused_with_mixed_images() -> None:
    with pytest.raises(LymphoscopeError, match=r"set optimisation\.centre_loss=0"):
        load_recipe("wsdan", ["comparison=mix_up"])


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("comparison=mix_up", "comparison=mix_up"),
        ("comparison=cut_mix", "comparison=cut_mix"),
        ("optimisation.centre_loss=1", r"optimisation\.centre_loss"),
    ],
)
def test_partial_labels_are_refused_with_what_needs_one_class(override: str, named: str) -> None:
    with pytest.raises(LymphoscopeError, match=f"{named} needs one class per image: set data.partial_labels=false"):
        load_recipe("quick", ["data.partial_labels=true", override])
    assert not load_recipe("white-cells", [override]).data.partial_labels


def test_text_options_stay_as_typed(tmp_path: Path) -> None:
    assert load_recipe("quick", ["blast_class=1"]).blast_class == "1"
    assert load_recipe("quick", ["blast_class=no", "limits=1e3"]).limits == "1e3"
    assert load_recipe("quick", ["blast_class=null"]).blast_class is None
    assert load_recipe("quick", ["blast_class='null'"]).blast_class == "null"
    file = tmp_path / "recipe.yaml"
    lines = ["name: 2024", "blast_class: no", "seed: 7", "model: {maps: 8, pretrained: no}"]
    file.write_text("\n".join([*lines, "attention: {crop_threshold: [0.4, 0.6]}"]))
    recipe = load_recipe(str(file), ["optimisation.learning_rate=1e-3"])
    assert (recipe.name, recipe.blast_class, recipe.seed, recipe.model.maps) == ("2024", "no", 7, 8)
    assert (recipe.attention.crop_threshold, recipe.optimisation.learning_rate) == ((0.4, 0.6), 0.001)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "aliases"),
        (b"name: " + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        ("name: Zelle gr\u00fcn".encode("latin-1"), "is not UTF-8 text"),
        (b"name: a\x00b", "is not valid YAML"),
        (b"# \n" * 400_000, "more than 1,000,000 bytes"),
        (b"model:", "`model`"),
    ],
    ids=["bomb", "deep", "latin-1", "null byte", "large", "empty section"],
)
def test_hostile_recipe_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_bytes(content)
    with pytest.raises(LymphoscopeError, match=message) as refusal:
        load_recipe(str(file))
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 600
