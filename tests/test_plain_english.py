"""Plain English in docstrings, comments, messages and guides: no word of a list, no docstring like a question."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

# Pattern → replacement. The word "figure" is missing: only a reader can distinguish a value from a plot.
WORDS = {
    r"anew": "again",
    r"(leave|leaves|leaving|left) (\S+ ){0,3}away": "omit, remove",
    r"(take|takes|taking|took|taken) (\S+ ){0,3}away": "remove",
    r"(is|are|was|were) at(?=$|[.,;:]| (work|it|them|whom|is|has)\b)": "runs, works on",  # not "is at least"
    r"(go|goes|going|went|gone) on with": "continue with",
    r"(that|which|what) (is|are|was|were) said": "with a warning, is logged",
    r"(is|are|was|were|be|been) told": "receives, is given",
    r"in words": "as text, describe_…",
    r"so it is with": "the same holds for",
    r"no other than": "the same as",
    r"at rest": "unchanged, constant",
    r"surely": "the reason, or no word",
    r"by (itself|themselves)": "separately, automatically, alone",
    r"judg(e|es|ed|ing)": "evaluate, choose, measure",
    r"(?-i:may)": "can, is allowed to",  # the month has a capital letter
}
QUESTION_WORDS = "What|Whether|How|Which|Where|When|Who|Whose|Why|Those|That"


def text_of_source(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each string, docstrings included, and of each block of comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    block: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if block and token.start[0] > block[-1][0] + 1:
                yield block[0][0], " ".join(comment for _, comment in block)
                block = []
            block.append((token.start[0], token.string.lstrip("#")))
    if block:
        yield block[0][0], " ".join(comment for _, comment in block)


def text_of_page(page: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each paragraph outside of code blocks."""
    prose = re.sub(r"^```.*?^```", lambda code: "\n" * code[0].count("\n"), page, flags=re.MULTILINE | re.DOTALL)
    for paragraph in re.finditer(r"(.*\S.*\n?)+", prose):
        yield prose.count("\n", 0, paragraph.start()) + 1, paragraph[0]


def bad_words(text: str) -> list[str]:
    """Return each bad word with its replacement; code in backticks is not searched."""
    prose = " ".join(re.sub(r"`[^`]*`", "``", text).split())
    return [
        f'"{found[0]}" (better: {better})'
        for words, better in WORDS.items()
        for found in re.finditer(rf"\b({words})\b", prose, re.IGNORECASE)
    ]


def questions(source: str) -> list[tuple[int, str]]:
    """Return line and first line of each docstring, of attributes too, that begins with a question word."""
    nodes = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr))
    strings = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [
        (node.lineno, node.value.splitlines()[0])
        for node in strings
        if re.match(rf"\s*({QUESTION_WORDS})\b", node.value)
    ]


def texts(files: list[Path]) -> Iterator[tuple[str, str]]:
    for file in files:
        yield file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")


def test_no_source_and_no_page_has_a_word_of_the_list():
    found_in = [(name, *place) for name, source in texts(SOURCES) for place in text_of_source(source)]
    found_in += [(name, *place) for name, page in texts(PAGES) for place in text_of_page(page)]
    found = [f"{name}:{line}: {problem}" for name, line, text in found_in for problem in bad_words(text)]
    assert not found, "\n".join(found)


def test_no_docstring_begins_with_a_question_word():
    found = [f"{name}:{line}: {text}" for name, source in texts(SOURCES) for line, text in questions(source)]
    assert not found, "begin with a verb (function) or a noun (class, module):\n" + "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "Begin anew.",
        "leave the flag away",
        "taken away",
        "the jobs that somebody is at",
        "It goes on with the next one.",
        "a warning, which is said",
        "The trainer is told the epoch.",
        "a report in\nwords",
        "it is no other than the first one",
        "the teacher is at rest",
        "Surely better",
        "each part by itself",
        "the part that judges",
        "a video may be missing",
    ],
)
def test_a_word_of_the_list_is_found_with_its_replacement(text):
    assert len(bad_words(text)) == 1 and "(better: " in bad_words(text)[0]


@pytest.mark.parametrize(
    "text",
    ["May 2022", "the flag `may`", "maybe", "it is at least 2", "walk away", "the words in wordsworth", "unjudged"],
)
def test_other_words_are_not_found(text):
    assert not bad_words(text)


def test_identifiers_and_code_are_not_searched():
    source = 'def judge(may):  # surely\n    """Begin anew."""\n    return may, "in words"\n'
    assert sorted(text_of_source(source)) == [(1, " surely"), (2, "Begin anew."), (3, "in words")]
    page = "# Title\n\nmay\nbe\n\n```sh\nmay\n```\n\nend\n"
    assert list(text_of_page(page)) == [(1, "# Title\n"), (3, "may\nbe\n"), (10, "end\n")]


def test_docstrings_of_every_kind_are_searched_for_questions():
    source = (
        '"""How it is."""\nx = 1\n"""What it is."""\nclass A:\n    """Thatch."""\n    def f(self):\n        "Who."\n'
    )
    assert [line for line, _ in questions(source)] == [1, 3, 7]
