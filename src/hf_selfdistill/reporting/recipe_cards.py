"""The cards of the recipes, `configs/*.yaml` → `model_cards/*.md`; `make cards` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import yaml

from hf_selfdistill import hub
from hf_selfdistill.cli.parser import CommandParser, user_errors

__all__ = ["RecipeCardArguments", "main", "recipe_card"]

TEMPLATE = Path(hub.__file__).parent / "templates" / "recipe_card.md"


@dataclass
class RecipeCardArguments:
    """Cards of recipes."""

    recipes: str = field(default="configs", metadata={"help": "Folder of the recipes."})
    output_dir: str = field(default="model_cards", metadata={"help": "Where the cards go."})


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `make cards`."""
    parser = CommandParser(RecipeCardArguments, description="Write the card of every recipe.")
    with user_errors():
        (args,) = parser.parse(argv)
        recipes = sorted(Path(args.recipes).glob("*.yaml"))
        if not recipes:
            raise ValueError(f"--recipes {args.recipes} holds no recipe, *.yaml")
        Path(args.output_dir).mkdir(parents=True, exist_ok=True)
        for recipe in recipes:
            card = recipe_card(recipe.read_text(encoding="utf-8"))
            (Path(args.output_dir) / f"{recipe.stem}.md").write_text(card, encoding="utf-8")


def recipe_card(recipe: str) -> str:
    """The card of a recipe: its settings, and its comment: a title, a command (indented), paragraphs.

    Raises:
        ValueError: the comment has no title or no command.
    """
    comment = [line.removeprefix("#").removeprefix(" ") for line in recipe.splitlines() if line.startswith("#")]
    title, *rest = comment or [""]
    command = "\n".join(line[2:] for line in rest if line.startswith("  "))
    prose = "\n".join(line for line in rest if not line.startswith("  ")).strip()
    if not title or not command:
        raise ValueError("a recipe begins with a comment: a title, and a command indented by three blanks")
    template = jinja2.Template(TEMPLATE.read_text(encoding="utf-8"), keep_trailing_newline=True)
    return template.render(title=title, command=command, prose=prose, settings=yaml.safe_load(recipe))


if __name__ == "__main__":
    main()
