"""Recipes from YAML and the command line: what is wrong is said by name, in one line."""

from pathlib import Path

import pytest
import yaml

from lymphoscope.errors import LymphoscopeError
from lymphoscope.training import load_recipe, parse_recipe, preset_names, recipe_yaml


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid_and_survives_its_own_yaml(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert parse_recipe(yaml.safe_load(recipe_yaml(recipe)), "again") == recipe


def test_the_paper_preset_is_the_defaults() -> None:
    assert load_recipe("paper") == parse_recipe({}, "defaults")


def test_wsdan_is_as_the_method_page_has_it() -> None:
    recipe = load_recipe("wsdan")
    assert (recipe.attention.crop_threshold, recipe.attention.erase_threshold) == ((0.4, 0.6), (0.2, 0.5))
    assert (recipe.test_time.crop_threshold, recipe.test_time.crop_padding) == (0.1, 0.05)
    assert (recipe.test_time.streams, recipe.test_time.decision) == (("raw", "crop"), "mean")
    assert recipe.optimisation.centre_loss > 0


def test_overrides_go_in_order_and_are_typed() -> None:
    recipe = load_recipe("quick", ["optimisation.epochs=3", "model.pretrained=true", "optimisation.epochs=4"])
    assert (recipe.optimisation.epochs, recipe.model.pretrained) == (4, True)


@pytest.mark.parametrize(
    ("override", "said"),
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
        ("seed=[", r"not YAML"),
    ],
)
def test_a_wrong_word_is_one_line(override: str, said: str) -> None:
    with pytest.raises(LymphoscopeError, match=said) as caught:
        load_recipe("quick", ["seed=1", override])
    assert "\n" not in str(caught.value)


def test_a_wrong_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match="no recipe 'fast': give a YAML file or one of baseline"):
        load_recipe("fast")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1,")
    with pytest.raises(LymphoscopeError, match="is not YAML"):
        load_recipe(str(broken))
    broken.write_text("just words")
    with pytest.raises(LymphoscopeError, match="holds no keys"):
        load_recipe(str(broken))


def test_two_starts_exclude_each_other() -> None:
    with pytest.raises(LymphoscopeError, match="exclude each other"):
        load_recipe("quick", ["model.pretrained=true", "model.initial_weights=runs/a/model"])


def test_mixed_images_have_no_one_centre() -> None:
    with pytest.raises(LymphoscopeError, match=r"set optimisation\.centre_loss=0"):
        load_recipe("wsdan", ["comparison=mix_up"])
