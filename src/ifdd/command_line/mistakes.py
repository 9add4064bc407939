"""One-line errors for wrong options: the option or the place in a file, the value, and the allowed values.

Used after the parser has failed: each option and each key of the YAML files is checked separately.
"""

import re
import typing
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from ifdd.command_line.options import CONFIG, PRINT_CONFIG, REQUIRED, Command, Option
from ifdd.command_line.words import RECIPE_SUFFIXES, Given
from ifdd.errors import InputError

KINDS = {int: "an integer", float: "a number", bool: "true or false", str: "text (put it in quotes)", Path: "a path"}


class Entry(NamedTuple):
    """A key of a YAML document and its value."""

    name: str
    node: yaml.Node
    line: int


def explain(command: Command, given: Sequence[Given]) -> InputError:
    """Return the error that explains why the parser failed."""
    found: list[Entry] = []
    try:
        for each in given:
            found += _check(command, each)
        _check_required(command, {each.name for each in given} | {each.name for each in found})
    except InputError as error:
        return error
    return InputError(f"these options do not fit together; see 'ifdd {command.name} --help'")


def _check(command: Command, given: Given) -> list[Entry]:
    """Check one option; return the keys of the YAML file or document that is its value.

    Raises:
        InputError: the option is wrong.
    """
    name = given.name.removesuffix("+")
    if name == CONFIG or (name in command.groups and given.value.lower().endswith(RECIPE_SUFFIXES)):
        return _check_file(command, Path(given.value), "" if name == CONFIG else f"{name}.")
    if name in command.groups:
        remedy = InputError(f"{given.written} is {given.value!r}; give a YAML file or {{name: value}}")
        return _check_document(command, given.value, f"{name}.", remedy, lambda line: given.written)
    option = command.by_name.get(given.name)
    if option is not None and not _fits(option.word_annotation, partial(_parse_word, text=given.value)):
        raise wrong_value(given.written, given.value, option)
    return []


def _check_required(command: Command, names: set[str]) -> None:
    for option in command.options:
        if option.default is REQUIRED and option.name not in names:
            summary = re.split(r"[;:.] ", option.summary)[0].removesuffix(".")
            about = f": {summary}" if summary else ""
            raise InputError(f"{option.spelling} is missing{about} (see 'ifdd {command.name} --help')")


def wrong_value(written: str, value: object, option: Option) -> InputError:
    """Return the error for a value that an option does not accept."""
    return InputError(f"{written} is {value!r}; {allowed(option)}")


def allowed(option: Option) -> str:
    """Return the allowed values of an option as advice for an error message."""
    null = " or null" if option.nullable else ""
    if option.choices:
        return f"use one of {', '.join(map(str, option.choices))}"
    kinds = [KINDS[kind] for kind in option.types if kind in KINDS]
    if kinds:
        return f"it must be {' or '.join(kinds)}{null}"
    if option.is_mapping:
        return f"it must be names and values, such as {{name: value}}{null}"
    members = typing.get_args(option.types[0])
    if typing.get_origin(option.types[0]) is tuple and Ellipsis not in members:
        kind = "numbers" if set(members) <= {int, float} else "values"
        return f"it must be a list of {len(members)} {kind}, such as {plain(option.default)}{null}"
    return f"it must be a list, such as {plain(option.default or ['a', 'b'])}{null}"


def plain(value: Any) -> str:
    """Return a value as written on the command line and in YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {plain(each)}" for key, each in value.items()) + "}"
    return "null" if value is None else str(value)


# --- YAML files -------------------------------------------------------------------------------------------


def _check_file(command: Command, file: Path, prefix: str) -> list[Entry]:
    if file.is_dir():
        raise InputError(f"{file} is a folder; give a YAML file")
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{file} does not exist; give a YAML file with options") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is not text in UTF-8; give a YAML file") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror})") from None
    remedy = InputError(f"{file} has no options; write them as 'name: value'")
    return _check_document(command, text, prefix, remedy, lambda line: f"{file}, line {line}")


def _check_document(
    command: Command, text: str, prefix: str, remedy: InputError, place: Callable[[int], str]
) -> list[Entry]:
    """Check a YAML document; return its keys.

    Args:
        command: the command.
        text: the document.
        prefix: dotted name of the document's group with a trailing dot; "" for all options.
        remedy: error to raise if the document is not a mapping.
        place: function from a line number to its name in messages.

    Raises:
        InputError: the document cannot be read, or a key or a value is wrong.
    """
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "a character is not allowed"
        raise InputError(f"{place(mark.line + 1 if mark else 1)}: this is not YAML ({reason})") from None
    if not isinstance(root, yaml.MappingNode):
        raise remedy
    entries = list(_entries(command, root, prefix))
    for entry in entries:
        _check_entry(command, entry, place(entry.line))
    return entries


def _entries(command: Command, node: yaml.MappingNode, prefix: str) -> Iterator[Entry]:
    """Yield every option of a document; a group whose value is not a mapping counts as an option."""
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if name in command.groups and isinstance(value, yaml.MappingNode):
            yield from _entries(command, value, f"{name}.")
        else:
            yield Entry(name, value, key.start_mark.line + 1)


def _check_entry(command: Command, entry: Entry, place: str) -> None:
    option = None if entry.name in (CONFIG, PRINT_CONFIG) else command.find(entry.name)
    value = _shown(entry, place)
    if entry.name in command.groups:
        if not value.lower().endswith(RECIPE_SUFFIXES):
            raise InputError(f"{place}: {entry.name} is {value!r}; give its options below it, as 'name: value'")
    elif option is None:
        nearest = command.nearest(entry.name)
        meant = f"; did you mean {nearest}?" if nearest else ";"
        raise InputError(f"{place}: unknown key {entry.name}{meant} see 'ifdd {command.name} --help'")
    elif option.name == entry.name and not _fits(option.annotation, partial(_parse_node, node=entry.node)):
        raise wrong_value(f"{place}: {entry.name}", value, option)  # the command checks the keys of its mappings


def _shown(entry: Entry, place: str) -> str:
    """Return a value on one line."""
    try:
        return plain(yaml.safe_load(yaml.serialize(entry.node)))
    except yaml.YAMLError:
        raise InputError(f"{place}: {entry.name} has the tag {entry.node.tag}; give a plain value") from None


# --- single values ----------------------------------------------------------------------------------------


def _fits(annotation: Any, parse: Callable[[ArgumentParser], object]) -> bool:
    """Whether a value can be parsed as a type."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=annotation)
    try:
        parse(parser)
    except ArgumentError:
        return False
    return True


def _parse_word(parser: ArgumentParser, text: str) -> object:
    return parser.parse_args([f"--value={text}"])


def _parse_node(parser: ArgumentParser, node: yaml.Node) -> object:
    key = yaml.ScalarNode("tag:yaml.org,2002:str", "value")
    return parser.parse_string(yaml.serialize(yaml.MappingNode("tag:yaml.org,2002:map", [(key, node)])))
