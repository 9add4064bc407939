"""The commands and their options, read from the parsers."""

import argparse
import importlib

from docs.blocks.markdown import Makers, code, sentence, table
from ifdd.__main__ import COMMANDS, build_parser

GENERAL = ("help", "config", "print_config")
"""Options that every command has; the page explains them once."""


def overview() -> str:
    """List the commands, each with a link to its options."""
    rows = ((f"[`ifdd {name}`](#ifdd-{name})", summary) for name, (_, summary) in COMMANDS.items())
    return table(("command", "what it does"), rows)


def reference() -> str:
    """Describe every command: a section each."""
    return "\n\n".join(f"## ifdd {name}\n\n{options(name)}" for name in COMMANDS)


def options(command: str) -> str:
    """Describe a command: what it does, its arguments, and its options, a table a group."""
    module, _, function = COMMANDS[command][0].partition(":")
    parser = build_parser(command, getattr(importlib.import_module(module), function))
    parts = [parser.description or ""]
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if not _hidden(action)]
        if not actions:
            continue
        if group.title not in ("positional arguments", "options"):
            title = sentence(group.title or "")
            parts.append(f"{title[:1].upper()}{title[1:]}:")
        head = "argument" if group.title == "positional arguments" else "option"
        parts.append(table((head, "default", "meaning"), map(_row, actions)))
    return "\n\n".join(parts)


def _hidden(action: argparse.Action) -> bool:
    """Return whether an option is one of all commands, or stands for a whole group."""
    return action.dest in GENERAL or type(action).__name__ in ("_ActionConfigLoad", "_HelpAction")


def _row(action: argparse.Action) -> tuple[str, str, str]:
    names = [option.replace("_", "-") for option in action.option_strings] or [action.dest.upper()]
    meaning = sentence(action.help or "")
    if action.choices:
        listed = ", ".join(code(choice) for choice in action.choices)
        meaning += f" (one of {listed})"
    return code(names[-1]), _default(action), meaning


def _default(action: argparse.Action) -> str:
    value = action.default
    if value is None or value is argparse.SUPPRESS or value == []:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return code(text) if text else ""


BLOCKS: Makers = {"commands": overview, "command reference": reference, "options": options}
