"""The page of ``ifdd COMMAND --help``."""

import shutil
import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ifdd.command_line.options import REQUIRED, Command, Option, plain, spell

COLUMN = 28
"""Column where the summaries begin."""
_wrap = partial(textwrap.wrap, break_on_hyphens=False)
_fill = partial(textwrap.fill, break_on_hyphens=False)
WIDEST = 120
WIDEST_CHOICES = 45
LONG_CHOICE = "NAME"
"""Placeholder for choices wider than this; the summary lists them."""
KINDS = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


def help_page(command: Command, width: int | None = None) -> str:
    """Return the help of a command.

    Args:
        command: the command.
        width: width in columns; None takes that of the terminal.
    """
    width = min(width or shutil.get_terminal_size().columns, WIDEST)
    paragraphs = [_usage(command), command.summary, *command.details.split("\n\n")]
    parts = [_fill(" ".join(text.split()), width) for text in paragraphs if text]
    named = [option for option in command.options if not option.positional]
    parts.append(_section("arguments", command.positionals, width))
    parts.append(_section("options", [option for option in named if _group(command, option) == ""], width))
    for group, summary in command.groups.items():
        own = [option for option in named if _group(command, option) == group]
        parts.append(_section(_capitalized(summary) or spell(group), own, width))
    if command.groups:
        group = spell(next(iter(command.groups)))
        parts.append(_fill(f"A group of options can be read from a separate YAML file: {group} FILE.", width))
    return "\n\n".join(part for part in parts if part)


def _usage(command: Command) -> str:
    words = [_positional(option) for option in command.positionals]
    return f"usage: ifdd {command.name} {' '.join(['[FILE.yaml]', *words, '[OPTIONS]'])}"


def _positional(option: Option) -> str:
    word = option.spelling + (" ..." if option.is_list else "")
    return word if option.default is REQUIRED else f"[{word}]"


def _group(command: Command, option: Option) -> str:
    group = option.name.rpartition(".")[0]
    return group if group in command.groups else ""


def _section(title: str, options: list[Option], width: int) -> str:
    if not options:
        return ""
    heading = _fill(f"{title}:".replace(".:", ":"), width, subsequent_indent="  ")
    rows = [line for option in options for line in _rows(option, width)]
    return "\n".join([heading, *rows])


def _rows(option: Option, width: int) -> Iterator[str]:
    left = f"  {option.spelling}" if option.positional else f"  {option.spelling} {_metavar(option)}".rstrip()
    lines = _wrap(_text(option), width - COLUMN) or [""]
    if len(left) > COLUMN - 2:
        yield left
    else:
        yield f"{left:{COLUMN}}{lines.pop(0)}".rstrip()
    yield from (" " * COLUMN + line for line in lines)


def _text(option: Option) -> str:
    """Return the summary, the choices if they are not shown elsewhere, and the default."""
    notes = []
    unnamed = [str(choice) for choice in option.choices if str(choice) not in option.summary]
    if unnamed and (option.positional or _metavar(option) == LONG_CHOICE):
        notes.append(f"one of {', '.join(map(str, option.choices))}")
    if option.default is REQUIRED:
        notes += [] if option.positional else ["required"]
    elif option.is_switch or option.may_be_bare:
        notes += [f"on; --no-{option.spelling[2:]} switches it off"] if option.default else []
    elif option.default not in (None, "", {}, [], ()):
        notes.append(f"default: {plain(option.default)}")
    first = option.summary.partition(" ")[0].rstrip(",:")
    summary = option.summary if first in option.choices else _capitalized(option.summary)
    if notes:
        summary = f"{summary if summary.endswith('...') else summary.removesuffix('.')} ({'; '.join(notes)})"
    return summary if summary.endswith(".") else f"{summary}."


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _metavar(option: Option) -> str:
    if option.is_switch:
        return ""
    if option.may_be_bare:
        return "[TEXT]"
    if option.choices:
        choices = "{" + ",".join(map(str, option.choices)) + "}"
        return choices if len(choices) <= WIDEST_CHOICES else LONG_CHOICE
    kinds = [KINDS[kind] for kind in option.types if kind in KINDS]
    if kinds:
        return "|".join(kinds)
    if option.is_mapping:
        return "{NAME: VALUE}"
    return _items(option.types[0])


def _items(kind: Any) -> str:
    members = [KINDS.get(member, "TEXT") for member in getattr(kind, "__args__", ()) if member is not Ellipsis]
    return f"[{', '.join(members)}{', ...' if Ellipsis in kind.__args__ else ''}]"
