"""The documentation pages and their code."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]

FORMER_NAMES = re.compile(r"^\| before \|.*\n(?:\|.*\n)+", re.MULTILINE)
"""A table of renamed things, whose first column holds names that no longer exist."""

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str, section: str = "") -> list[str]:
    """Return the fenced blocks of a language on a page, or in one of its sections."""
    text = page.read_text(encoding="utf-8")
    if section:
        text = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [block for found, block in FENCED.findall(text) if found == language]


def prose(page: Path) -> str:
    """Return the text of a page without its fenced blocks."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def inline_code(page: Path) -> list[str]:
    """Return the inline code in the text of a page, without formulas and former names."""
    text = re.sub(r"\$`.*?`\$", "", prose(page))
    text = FORMER_NAMES.sub(lambda table: re.sub(r"^\|[^|]*\|", "|", table[0], flags=re.MULTILINE), text)
    return re.findall(r"`([^`\n]+)`", text)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
