"""Parsing of words and YAML files into the arguments of a command's function, with jsonargparse."""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from ifdd.command_line.documents import Setting, read_documents
from ifdd.command_line.mistakes import explain
from ifdd.command_line.options import CONFIG, PRINT_CONFIG, Command, describe
from ifdd.command_line.words import name_positionals, read_words
from ifdd.files import expand


def parse(command: Command, words: Sequence[str]) -> dict[str, Any]:
    """Return the arguments for the command's function.

    Raises:
        InputError: an option or a key of a YAML file is unknown, missing or of the wrong kind.
    """
    return arguments_of(command, read_settings(command, words))


def read_settings(command: Command, words: Sequence[str]) -> list[Setting]:
    """Return the value of every option that is given, on the command line or in YAML files; the last one counts.

    Raises:
        InputError: an option or a key of a YAML file is unknown, or a word has no place.
    """
    given, plain = read_words(command, words)
    settings = read_documents(command, given)
    named = name_positionals(command, plain, {setting.name for setting in settings})
    lists = {option.name: option for option in command.positionals if option.is_word_list}
    for name, option in lists.items():
        own = tuple(each.value for each in named if each.name == name)
        settings += [Setting(name, option.spelling, " ".join(own), own)] if own else []
    return settings + [Setting(*each) for each in named if each.name not in lists]


def arguments_of(command: Command, settings: Sequence[Setting]) -> dict[str, Any]:
    """Return the arguments for the command's function; ``~`` in paths is expanded.

    Raises:
        InputError: an option is missing, of the wrong kind or outside its range.
    """
    lists = {option.name: list[str]() for option in command.positionals if option.is_word_list}
    lists |= {setting.name: list(setting.words) for setting in settings if setting.name in lists}
    if any(setting.name == PRINT_CONFIG for setting in settings) and any(lists.values()):
        print(yaml.safe_dump(lists, allow_unicode=True), end="")  # the parser, which ends here, prints the others
    parser = build_parser(command.function)
    try:
        parsed = parser.parse_args([f"--{each.name}={each.value}" for each in settings if each.name not in lists])
    except (ArgumentError, UnicodeError) as error:
        raise explain(command, settings) from error
    arguments = parser.instantiate(parsed).as_dict()
    del arguments[CONFIG]
    return {name: _with_homes(value) for name, value in (arguments | {k: v for k, v in lists.items() if v}).items()}


def build_parser(function: Callable[..., None]) -> ArgumentParser:
    """Build the parser of a function, in which positional words are options like all others.

    A list of positional words is left out: its words need no parsing.
    """
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument(f"--{CONFIG}", action="config")
    skip: set[str | int] = {option.name for option in describe("", function).positionals if option.is_word_list}
    parser.add_function_arguments(function, as_group=False, as_positional=False, skip=skip)
    return parser


def _with_homes(value: Any) -> Any:
    """Return a value whose paths have no ``~``."""
    if isinstance(value, Path):
        return expand(value)
    if isinstance(value, list | tuple) and any(isinstance(each, Path) for each in value):
        return type(value)(map(_with_homes, value))
    if is_dataclass(value) and not isinstance(value, type):
        old = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        changed = {name: new for name, each in old.items() if (new := _with_homes(each)) is not each}
        return replace(value, **changed) if changed else value
    return value
