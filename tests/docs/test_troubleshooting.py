"""The messages that the page on troubleshooting quotes are those of the code."""

from __future__ import annotations

import re

from guides import ROOT


def test_every_quoted_message_is_in_the_code():
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    quoted = re.findall(r"^\*\*`(.+?)`", page, re.M)
    source = " ".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    text = re.sub(r"\{[^{}]*\}|%\w", "…", re.sub(r'"\s*(?:f?")', "", re.sub(r"\s+", " ", source)))
    assert len(quoted) > 10
    for message in quoted:
        for part in message.split("…"):
            assert part.strip() in text, message
