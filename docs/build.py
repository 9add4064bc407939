"""Fill in what README.md and docs/*.md take from the code and from results/.

python docs/build.py            # rewrite the pages and the picture of the rooms
python docs/build.py --check    # change nothing; name what is out of date, exit code 1

A page marks a block, alone on its lines, and a figure, within a line, in the same way:

    <!-- generated: options recognize -->      <!-- figure: demo war -->85.2 %<!-- end -->
    ...
    <!-- end -->

The words after the colon are a name in BLOCKS or FIGURES of docs/blocks/, and its arguments. A figure must not begin a
line: Markdown would take the whole line for HTML.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))  # run as a script, it finds the package of this checkout
sys.path.insert(0, str(Path(__file__).parents[1]))  # and the folder docs
from docs.blocks import BLOCKS, FIGURES
from docs.blocks.markdown import ROOT
from docs.make_architecture_figure import PICTURE, draw

MARKED = re.compile(r"<!-- (?P<kind>generated|figure): (?P<words>[^>]+?) -->(?P<text>.*?)<!-- end -->", re.DOTALL)
MARKERS = re.compile(r"<!-- (?:generated|figure):")


class PageError(Exception):
    """A page has a mark that cannot be filled in."""


def pages(root: Path) -> list[Path]:
    """Return the pages that are built."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def generate(kind: str, words: str) -> str:
    """Return what stands between a mark and its end.

    Raises:
        PageError: no block or figure has this name.
    """
    table = BLOCKS if kind == "generated" else FIGURES
    name = max((name for name in table if f"{words} ".startswith(f"{name} ")), key=len, default="")
    if not name:
        raise PageError(f"no {kind} {words!r} in docs/blocks; choose one of {', '.join(table)}")
    text = table[name](*words.removeprefix(name).split())
    return f"\n\n{text.strip()}\n\n" if kind == "generated" else text


def build(page: str) -> tuple[str, list[str]]:
    """Return a page with everything filled in, and the marks whose content changed.

    Raises:
        PageError: a mark names nothing, has no end, or begins a line though it is a figure.
    """
    changed = []

    def fill(found: re.Match[str]) -> str:
        kind, words, text = found["kind"], found["words"], found["text"]
        if MARKERS.search(text):
            raise PageError(f"{kind} {words!r} has no end")
        if kind == "figure" and not page[: found.start()].rpartition("\n")[2].strip():
            raise PageError(f"the figure {words!r} begins a line; move it")
        made = generate(kind, words)
        if made != text:
            changed.append(f"{kind} {words}")
        return f"<!-- {kind}: {words} -->{made}<!-- end -->"

    built = MARKED.sub(fill, page)
    if len(MARKERS.findall(page)) != len(MARKED.findall(page)):
        raise PageError("a mark is not closed, or broken over two lines")
    return built, changed


def outdated(root: Path, write: bool = False) -> Iterator[str]:
    """Yield ``page: mark`` of everything that differs from what the code and the results give; write it if asked."""
    for path in pages(root):
        name = path.relative_to(root)
        try:
            built, changed = build(path.read_text(encoding="utf-8"))
        except PageError as error:
            raise PageError(f"{name}: {error}") from error
        yield from (f"{name}: {mark}" for mark in changed)
        if write and changed:
            path.write_text(built, encoding="utf-8")
    picture = root / "docs" / PICTURE
    drawn = draw(root / "src")
    if not picture.exists() or picture.read_text(encoding="utf-8") != drawn:
        yield f"docs/{PICTURE}: the picture of the rooms"
        if write:
            picture.write_text(drawn, encoding="utf-8")


def main() -> int:
    """Build or check the pages; return the exit code."""
    parser = argparse.ArgumentParser(description="Fill in the generated parts of README.md and docs/*.md.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if anything is out of date")
    check: bool = parser.parse_args().check
    try:
        found = list(outdated(ROOT, write=not check))
    except PageError as error:
        print(error, file=sys.stderr)
        return 2
    for line in found:
        print(f"{line} is out of date" if check else f"{line} updated")
    if found and check:
        print("run 'make docs', then look at what changed", file=sys.stderr)
    return int(check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
