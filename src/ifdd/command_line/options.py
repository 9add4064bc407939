"""The options of a command, read from the signature and the docstrings of its function."""

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Union

import docstring_parser

from ifdd.errors import InputError

REQUIRED = inspect.Parameter.empty
"""Default of a required option."""

KINDS = {int: "an integer", float: "a number", bool: "true or false", str: "text (put it in quotes)", Path: "a path"}
"""Type -> its name in messages."""

CONFIG = "config"
PRINT_CONFIG = "print_config"


@dataclass(frozen=True)
class Option:
    """One option or positional argument of a command."""

    name: str
    """Name in Python and YAML: dots between groups, underscores within names."""
    annotation: Any
    default: Any
    summary: str
    positional: bool = False

    @property
    def spelling(self) -> str:
        """The name as shown on the command line."""
        return self.name.upper() if self.positional else spell(self.name)

    @property
    def types(self) -> tuple[Any, ...]:
        """The members of the annotation without None."""
        members = typing.get_args(self.annotation) if _is_union(self.annotation) else (self.annotation,)
        return tuple(member for member in members if member is not type(None))

    @property
    def nullable(self) -> bool:
        """Whether None is allowed."""
        return _is_union(self.annotation) and type(None) in typing.get_args(self.annotation)

    @property
    def is_switch(self) -> bool:
        """Whether the option may be given without a value."""
        return self.types == (bool,)

    @property
    def may_be_bare(self) -> bool:
        """Whether the option takes a value or none: ``--stress`` alone means true."""
        return bool in self.types and not self.is_switch

    @property
    def is_mapping(self) -> bool:
        """Whether single keys can be given after the name, as in ``--scene.occlusion``."""
        return any(typing.get_origin(member) is dict for member in self.types)

    @property
    def is_list(self) -> bool:
        """Whether the option is a list; a positional list takes any number of words."""
        return any(typing.get_origin(member) is list for member in self.types)

    @property
    def is_word_list(self) -> bool:
        """Whether the option takes all positional words, as text."""
        return self.positional and self.is_list

    @property
    def is_text_list(self) -> bool:
        """Whether the option is a list or tuple of texts."""
        members = set(typing.get_args(self.types[0])) - {Ellipsis}
        return typing.get_origin(self.types[0]) in (list, tuple) and members == {str}

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of a ``Literal``; empty for other types."""
        return tuple(
            value
            for member in self.types
            if typing.get_origin(member) is Literal
            for value in typing.get_args(member)
            if value != ""
        )


@dataclass(frozen=True)
class Command:
    """A command with its options and descriptions."""

    name: str
    function: Callable[..., None]
    options: tuple[Option, ...]
    groups: dict[str, str]
    """Dotted name -> summary of each dataclass among the arguments."""
    summary: str
    details: str

    @cached_property
    def by_name(self) -> dict[str, Option]:
        """Name -> option."""
        return {option.name: option for option in self.options}

    @property
    def positionals(self) -> list[Option]:
        """The positional arguments."""
        return [option for option in self.options if option.positional]

    @cached_property
    def switches(self) -> set[str]:
        """Names of the options that may be given without a value."""
        return {option.name for option in self.options if option.is_switch}

    def find(self, name: str) -> Option | None:
        """Return the option with a name; for a key of a mapping, the mapping; None if there is none."""
        if name in self.by_name:
            return self.by_name[name]
        mapping = self.by_name.get(name.rpartition(".")[0])
        return mapping if mapping is not None and mapping.is_mapping else None

    def nearest(self, name: str, *, positionals: bool = False) -> str | None:
        """Return the name of the option or group that is most similar to a misspelt name; None if none is similar.

        Names of positional words count only if asked for: a YAML file may hold them, too.

        The last part of a name is enough: ``batch_size`` means ``data.batch_size``. So is the beginning of the last
        part: ``data.batch`` means ``data.batch_size``.
        """
        group, _, last = name.rpartition(".")
        within = [option.name for option in self.options if option.name.startswith(f"{group}.{last}")]
        if group in self.groups and within:
            return within[0]
        names = [each.name for each in self.options if positionals or not each.positional] + list(self.groups)
        known = {full.rpartition(".")[2]: full for full in reversed(names)} | {full: full for full in names}
        for tried in (name, last):
            if found := difflib.get_close_matches(tried, known, 1):
                return known[found[0]]
        return None


def spell(name: str) -> str:
    """Return an option's name as shown on the command line."""
    return "--" + name.replace("_", "-")


def describe(name: str, function: Callable[..., None]) -> Command:
    """Read the options of a command from its function.

    Positional arguments become positional words, keyword-only arguments become options, and arguments whose type is a
    dataclass become groups of options. Summaries come from the docstrings of the function and the fields.
    """
    documentation = docstring_parser.parse_from_object(function)
    summaries = {each.arg_name: _line(each.description) for each in documentation.params}
    hints = typing.get_type_hints(function)
    options = [
        Option(CONFIG, Path, None, "YAML file with any of these options; options after it override its values."),
        Option(PRINT_CONFIG, bool, False, "Print the options as a YAML file and stop."),
    ]
    groups: dict[str, str] = {}
    for parameter in inspect.signature(function).parameters.values():
        hint, summary = hints[parameter.name], summaries.get(parameter.name, "")
        if is_dataclass(hint):
            options += _options_of(parameter.name, hint, parameter.default, summary, groups)
        else:
            positional = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
            options.append(Option(parameter.name, hint, parameter.default, summary, positional))
    return Command(
        name,
        function,
        tuple(options),
        groups,
        _line(documentation.short_description),
        documentation.long_description or "",
    )


def _options_of(prefix: str, kind: Any, default: Any, summary: str, groups: dict[str, str]) -> Iterator[Option]:
    """Yield the options of a dataclass; add it and the dataclasses within it to ``groups``.

    Args:
        prefix: dotted name of the group.
        kind: the dataclass.
        default: instance with the defaults, or ``REQUIRED``.
        summary: summary of the group.
        groups: dotted name -> summary; extended.
    """
    groups[prefix] = summary
    hints = typing.get_type_hints(kind)
    summaries = {each.arg_name: _line(each.description) for each in docstring_parser.parse_from_object(kind).params}
    for field in fields(kind):
        name, hint = f"{prefix}.{field.name}", hints[field.name]
        value = _default(field) if default is REQUIRED else getattr(default, field.name)
        if is_dataclass(hint):
            yield from _options_of(name, hint, value, summaries.get(field.name, ""), groups)
        else:
            yield Option(name, hint, value, summaries.get(field.name, ""))


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return REQUIRED if field.default_factory is MISSING else field.default_factory()


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (Union, types.UnionType)


def _line(text: str | None) -> str:
    return " ".join((text or "").replace("``", "").split())


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
