"""Tables, numbers and result files, as the pages write them."""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import docstring_parser

ROOT = Path(__file__).parents[2]

Makers = dict[str, Callable[..., str]]
"""Name of a block or figure -> function that gives its Markdown; further words of the mark are the arguments."""


@cache
def result(name: str) -> Any:
    """Return a file of results/."""
    return json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; an empty header cell stays empty."""
    lines = [
        "".join(f"| {cell} " if cell != "" else "| " for cell in map(_cell, line)) + "|" for line in (header, *rows)
    ]
    return "\n".join([lines[0], "|---" * len(header) + "|", *lines[1:]])


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")


def percent(share: float, digits: int = 1) -> str:
    """Return a share as the pages write it: 85.2 %."""
    return f"{100 * share:.{digits}f} %"


def code(text: object) -> str:
    """Return text as inline code."""
    return f"`{text}`"


def sentence(text: str) -> str:
    """Return a help text on one line, without the stop at its end."""
    return " ".join(text.replace("``", "`").split()).removesuffix(".")


def field_meanings(owner: type) -> dict[str, str]:
    """Return field of a dataclass -> its docstring."""
    described = docstring_parser.parse_from_object(owner).params
    return {field.arg_name: sentence(field.description or "") for field in described}
