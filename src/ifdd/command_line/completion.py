"""Scripts that complete commands, options and their values in a shell.

shtab writes a script from a parser of argparse, which is built for this purpose alone from the described commands: the
parser that reads the words of a command has other spellings, and options in place of positional words. The script
holds everything, so that pressing the tab key starts no Python, which would load torch for seconds.
"""

from argparse import Action, ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import shtab

from ifdd.command_line.options import Command, Option

PROGRAM = "ifdd"


def completion_script(shell: str, summaries: Mapping[str, str], commands: Mapping[str, Command]) -> str:
    """Return the script for a shell.

    Args:
        shell: bash, zsh or fish.
        summaries: name -> summary of every command.
        commands: the commands whose options are completed; of the others, only the name is.
    """
    script: str = shtab.complete(build_completed(summaries, commands), shell=shell)
    return script


def build_completed(summaries: Mapping[str, str], commands: Mapping[str, Command]) -> ArgumentParser:
    """Build a parser of argparse with the commands and options as they are written; it is not meant to parse."""
    parser = ArgumentParser(prog=PROGRAM, description="Facial expression recognition in video.")
    parser.add_argument("--version", action="store_true", help="show the version")
    subparsers = parser.add_subparsers()
    for name, summary in summaries.items():
        own = subparsers.add_parser(name, help=_escaped(summary))
        command = commands.get(name)
        for option in command.options if command else ():
            _add(own, option)
        if command is None or not command.positionals:  # a file of options may be the first word
            _complete_files(own.add_argument("words", nargs="*"))
    return parser


def _add(parser: ArgumentParser, option: Option) -> None:
    """Add an option or positional word; a switch that is on gets the spelling that turns it off."""
    about: dict[str, Any] = {"help": _escaped(option.summary)}
    if option.is_switch:
        negative = [f"--no-{option.spelling.removeprefix('--')}"] if option.default else []
        parser.add_argument(option.spelling, *negative, action="store_true", **about)
        return
    if option.choices:
        about["choices"] = list(map(str, option.choices))
    if option.positional:
        action = parser.add_argument(option.name, nargs="*" if option.is_list else "?", **about)
    else:
        action = parser.add_argument(option.spelling, nargs="?" if option.may_be_bare else None, **about)
    if not option.choices and (option.positional or _names_files(option)):
        _complete_files(action)


def _names_files(option: Option) -> bool:
    """Return whether the values are paths: by type, or because a name or a path of a checkpoint is accepted."""
    members = {member for kind in option.types for member in (kind, *get_args(kind))}
    return Path in members or option.name.rpartition(".")[2] in ("checkpoint", "weights")


def _complete_files(action: Action) -> None:
    action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks for it


def _escaped(text: str) -> str:
    return text.replace("%", "%%")  # argparse formats help texts
