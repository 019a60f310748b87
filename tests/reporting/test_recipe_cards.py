from pathlib import Path

import pytest

from hf_selfdistill.reporting import recipe_cards

ROOT = Path(__file__).parents[2]


def test_the_cards_are_those_of_the_recipes_as_they_are(tmp_path):
    recipe_cards.main(ROOT / "configs", tmp_path)
    written = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert written == {file.name: file.read_text() for file in (ROOT / "model_cards").iterdir()}, "run `make cards`"


@pytest.mark.parametrize("card", sorted((ROOT / "model_cards").glob("*.md")), ids=lambda card: card.stem)
def test_a_card_says_what_it_is_how_to_run_it_and_that_nothing_was_measured(card):
    text = card.read_text()
    assert f"configs/{card.stem}.yaml" in text.split("```sh")[1].split("```")[0]
    assert "`--distill_weight` |" in text and "None yet" in text


def test_a_recipe_without_a_command_is_refused():
    with pytest.raises(ValueError, match="a comment of a title and a command"):
        recipe_cards.recipe_card("# title\n#\n# prose\ndataset: folder\n")


def test_a_folder_without_recipes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no recipe"):
        recipe_cards.main(tmp_path, tmp_path)
