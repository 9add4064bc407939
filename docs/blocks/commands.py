"""The commands and their options, read from their functions."""

from collections.abc import Iterable, Iterator

from docs.blocks.markdown import Makers, code, sentence, table
from ifdd.__main__ import COMMANDS, load
from ifdd.command_line.options import CONFIG, PRINT_CONFIG, REQUIRED, Command, Option, describe, plain

GENERAL = (CONFIG, PRINT_CONFIG)
"""Options that every command has; the page explains them once."""


def overview() -> str:
    """List the commands, each with a link to its options."""
    rows = ((f"[`ifdd {name}`](#ifdd-{name})", summary) for name, (_, summary) in COMMANDS.items())
    return table(("command", "what it does"), rows)


def reference() -> str:
    """Describe every command: a section each."""
    return "\n\n".join(f"## ifdd {name}\n\n{options(name)}" for name in COMMANDS)


def options(name: str) -> str:
    """Describe a command: what it does, its arguments, and its options, a table a group."""
    command = describe(name, load(name))
    parts = [command.summary, *(" ".join(part.split()) for part in command.details.split("\n\n") if part)]
    if command.positionals:
        parts.append(_table("argument", command.positionals))
    parts += _groups(command)
    return "\n\n".join(parts)


def _groups(command: Command) -> Iterator[str]:
    """Yield the table of the options of no group, then heading and table of each group."""
    named = [option for option in command.options if not option.positional and option.name not in GENERAL]
    by_group: dict[str, list[Option]] = {"": [], **{group: [] for group in command.groups}}
    for option in named:
        group = option.name.rpartition(".")[0]
        by_group[group if group in command.groups else ""].append(option)
    for group, own in by_group.items():
        if own and group:
            yield sentence(command.groups[group]).rstrip(".") + ":"
        if own:
            yield _table("option", own)


def _table(head: str, rows: Iterable[Option]) -> str:
    return table((head, "default", "meaning"), map(_row, rows))


def _row(option: Option) -> tuple[str, str, str]:
    meaning = sentence(option.summary)
    unnamed = [choice for choice in option.choices if str(choice) not in option.summary]
    if unnamed:
        meaning += f" (one of {', '.join(map(code, option.choices))})"
    return code(option.spelling), _default(option), meaning


def _default(option: Option) -> str:
    if option.default is REQUIRED or option.default in (None, "", {}, [], ()):
        return ""
    if option.is_switch:
        return "on" if option.default else "off"
    return code(plain(option.default))


BLOCKS: Makers = {"commands": overview, "command reference": reference, "options": options}
