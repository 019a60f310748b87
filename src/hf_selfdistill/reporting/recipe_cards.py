"""Cards of the recipes: `make cards` writes `model_cards/*.md` from `configs/*.yaml`."""

from __future__ import annotations

from pathlib import Path

import jinja2
import yaml

from hf_selfdistill.data.whole_files import write_whole

__all__ = ["main", "recipe_card"]

TEMPLATE = Path(__file__).parent / "templates" / "recipe_card.md"


def main(recipes: Path = Path("configs"), output_dir: Path = Path("model_cards")) -> None:
    """Write the card of every recipe.

    Raises:
        ValueError: there is no recipe.
    """
    found = sorted(recipes.glob("*.yaml"))
    if not found:
        raise ValueError(f"{recipes} holds no recipe, *.yaml; run the command in the folder of the project")
    output_dir.mkdir(parents=True, exist_ok=True)
    for recipe in found:
        write_whole(output_dir / f"{recipe.stem}.md", recipe_card(recipe.read_text(encoding="utf-8")))


def recipe_card(recipe: str) -> str:
    """Return the card of a recipe.

    Args:
        recipe: YAML settings below a comment. The comment has a title, an indented command and paragraphs.

    Raises:
        ValueError: the comment has no title or no command.
    """
    comment = [line.removeprefix("#").removeprefix(" ") for line in recipe.splitlines() if line.startswith("#")]
    title, *rest = comment or [""]
    command = "\n".join(line[2:] for line in rest if line.startswith("  "))
    prose = "\n".join(line for line in rest if not line.startswith("  ")).strip()
    if not title or not command:
        raise ValueError("a recipe begins with a comment of a title and a command indented by three spaces")
    template = jinja2.Template(TEMPLATE.read_text(encoding="utf-8"), keep_trailing_newline=True)
    return template.render(title=title, command=command, prose=prose, settings=yaml.safe_load(recipe))


if __name__ == "__main__":
    main()
