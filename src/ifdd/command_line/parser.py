"""Parsing of words and YAML files into the arguments of a command's function, with jsonargparse."""

import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from ifdd.command_line.mistakes import explain
from ifdd.command_line.options import CONFIG, Command
from ifdd.command_line.words import parser_words, read_words


def parse(command: Command, words: Sequence[str]) -> dict[str, Any]:
    """Return the arguments for the command's function.

    Raises:
        InputError: an option or a key of a YAML file is unknown, missing or of the wrong kind.
    """
    given = read_words(command, words)
    parser = build_parser(command.function)
    try:
        parsed = parser.parse_args(parser_words(command, given))
        arguments = parser.instantiate(parsed).as_dict()
    except (ArgumentError, UnicodeDecodeError) as error:
        raise explain(command, given) from error
    del arguments[CONFIG]
    return arguments


def build_parser(function: Callable[..., None]) -> ArgumentParser:
    """Build the parser of a function.

    Positional arguments become words, keyword-only arguments become options. If the first argument is a ``list``, it
    takes one or more words, or any number if it has a default; if its default is None, its word is optional.
    """
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument(f"--{CONFIG}", action="config")
    first = next(iter(inspect.signature(function).parameters.values()))
    skip: set[str | int] = {first.name}
    if typing.get_origin(first.annotation) is list:
        word, least = typing.get_args(first.annotation)[0], "+" if first.default is first.empty else "*"
        parser.add_argument(first.name, nargs=least, type=word)
    elif first.default is None and first.kind is first.POSITIONAL_OR_KEYWORD:
        parser.add_argument(first.name, nargs="?", type=first.annotation)
    else:
        skip = set()
    parser.add_function_arguments(function, as_group=False, as_positional=True, skip=skip)
    return parser
