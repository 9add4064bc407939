"""Records and their JSON form.

``plain`` returns the JSON form of a record; ``read`` and ``load`` read it back and check each key and type. A field
whose default is None is optional: it is left out of the JSON form if its value is None, and its key may be missing. All
other fields are required and always written, also if null. Supported field types are the types of JSON, records,
``X | None``, ``tuple``, ``dict[str, X]``, ``Literal`` of text, and ``Any``, which is not checked.
"""

import json
import math
import reprlib
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ifdd.errors import InputError
from ifdd.files import escape_bytes, write_text

R = TypeVar("R", bound="Record")
F = TypeVar("F", bound="FileRecord")


@dataclass(frozen=True)
class Record:
    """Base class of all records: conversion to and from JSON values.

    Example:
        >>> from ifdd.records import SubsetScores
        >>> SubsetScores(war=0.75, uar=0.5).plain()
        {'war': 0.75, 'uar': 0.5}
        >>> SubsetScores.read({"war": 0.75}, "scores.json")
        Traceback (most recent call last):
        ...
        ifdd.errors.InputError: scores.json: the field uar is missing
    """

    def plain(self) -> dict[str, Any]:
        """Return the JSON form of the record: dicts, lists, text, numbers, booleans and None."""
        values = {each: getattr(self, each.name) for each in fields(self)}
        return {
            each.name: _plain(value) for each, value in values.items() if not (value is None and each.default is None)
        }

    @classmethod
    def read(cls: type[R], values: object, where: str) -> R:
        """Read a record from its JSON form.

        Args:
            values: result of ``plain``.
            where: source of the values, for the error message.

        Raises:
            InputError: a key is missing or unknown, or a value has the wrong type.
        """
        try:
            return cls.parse(values, "")
        except InputError as error:
            raise InputError(f"{where}: {error}") from None

    @classmethod
    def parse(cls: type[R], values: object, path: str) -> R:
        """Read a record at a dotted path within its file.

        Raises:
            InputError: as ``read``; the message names the path, but not the file.
        """
        given = read_typed(dict, values, path)
        kinds = kinds_of(cls)
        unknown = given.keys() - kinds.keys()
        if unknown:
            raise InputError(f"unknown field {below(path, min(map(str, unknown)))}")
        for each in fields(cls):
            if each.name not in given and each.default is not None:
                raise InputError(f"the field {below(path, each.name)} is missing")
        return cls(**{name: read_value(kinds[name], value, below(path, name)) for name, value in given.items()})


@dataclass(frozen=True)
class FileRecord(Record):
    """Base class of records that are stored as separate JSON files."""

    FILE: ClassVar[str]
    """Usual name of the file."""
    SCHEMA_VERSION: ClassVar[int]
    """Version of the file's schema, stored under its first key."""

    def plain(self) -> dict[str, Any]:
        """Return the content of the file."""
        return {"schema_version": self.SCHEMA_VERSION} | super().plain()

    def write(self, file: Path, *, private: bool = False) -> None:
        """Write the file, whole or not at all; ``private`` as for ``ifdd.files.atomic_path``.

        Raises:
            InputError: the folder cannot be written to.
        """
        text = json.dumps(self.plain(), indent=2, allow_nan=False, ensure_ascii=False)
        write_text(file, escape_bytes(text) + "\n", private=private)

    @classmethod
    def load(cls: type[F], file: Path, remedy: str) -> F:
        """Read a file.

        Args:
            file: file that ``write`` wrote.
            remedy: advice for the error message.

        Raises:
            InputError: the file cannot be read, is damaged, or has the schema of another version of ifdd.
        """
        try:
            values = read_typed(dict, json.loads(file.read_text(encoding="utf-8")), "")
            version = read_value(int, values.pop("schema_version", None), "schema_version")
            if version == cls.SCHEMA_VERSION:
                return cls.parse(values, "")
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{file} is damaged ({error}); {remedy}") from error
        raise InputError(f"{file} has schema version {version} of another version of ifdd; {remedy}")


_WORDS = {int: "an integer", float: "a finite number", str: "text", bool: "true or false", dict: "an object"}


def kinds_of(record: type[Record]) -> dict[str, Any]:
    """Return field -> type of a record."""
    hints = get_type_hints(record)
    return {each.name: hints[each.name] for each in fields(record)}


def below(path: str, name: str) -> str:
    """Return the dotted path of a field."""
    return f"{path}.{name}" if path else name


def read_value(kind: Any, value: Any, path: str) -> Any:
    """Convert a JSON value to the type of a field.

    Raises:
        InputError: the value has another type; the message names the path.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):  # None and one other type
        inner = next(each for each in arguments if each is not NoneType)
        return None if value is None else read_value(inner, value, path)
    if origin is Literal:
        if value not in arguments:
            raise InputError(f"{path} is {reprlib.repr(value)}; it must be one of {', '.join(arguments)}")
        return value
    if origin is tuple:
        return _read_items(arguments, value, path)
    if origin is dict:
        given = read_typed(dict, value, path)
        return {name: read_value(arguments[1], each, below(path, name)) for name, each in given.items()}
    if issubclass(kind, Record):
        return kind.parse(value, path)
    return read_typed(kind, value, path)


def _read_items(kinds: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    """Convert a list to a tuple with one type for all items, or one type per item."""
    any_length = kinds[-1] is Ellipsis
    if not isinstance(value, list) or (not any_length and len(value) != len(kinds)):
        raise InputError(
            f"{path} is {reprlib.repr(value)}; it must be a list" + ("" if any_length else f" of {len(kinds)}")
        )
    each = kinds[:1] * len(value) if any_length else kinds
    pairs = zip(each, value, strict=True)
    return tuple(read_value(kind, item, f"{path}[{place}]") for place, (kind, item) in enumerate(pairs))


def read_typed(kind: type, value: Any, path: str) -> Any:
    """Check a value of a JSON type and return it; an integer is accepted as a float.

    Raises:
        InputError: the value has another type or is not finite.
    """
    if kind is float and type(value) is int:
        with suppress(OverflowError):
            value = float(value)
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        raise InputError(f"{path or 'the content'} is {reprlib.repr(value)}; it must be {_WORDS[kind]}")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.plain()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
