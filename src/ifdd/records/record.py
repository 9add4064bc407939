"""Records and JSON: the one place where a record is written and read.

``plain`` gives the JSON form of a record; ``read`` and ``load`` read it back and check each key and type. A field whose
default is None is optional: its key may be missing, and is left out of the JSON form while there is no value. All other
fields are required and always written, null included. The types of fields are JSON's own, records, ``X | None``,
``tuple``, ``dict[str, X]``, ``Literal`` of text, and ``Any`` for what is not checked.
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
from ifdd.files import write_text

R = TypeVar("R", bound="Record")
F = TypeVar("F", bound="FileRecord")


@dataclass(frozen=True)
class Record:
    """Base of all records: conversion to and from the values that JSON knows."""

    def plain(self) -> dict[str, Any]:
        """Return the record in the form of JSON: dicts, lists, text, numbers, true, false and null."""
        values = {each: getattr(self, each.name) for each in fields(self)}
        return {
            each.name: _plain(value) for each, value in values.items() if not (value is None and each.default is None)
        }

    @classmethod
    def read(cls: type[R], values: object, where: str) -> R:
        """Read a record from the form of JSON.

        Args:
            values: what ``plain`` gave.
            where: where the values come from, for the message.

        Raises:
            InputError: a key is missing or unknown, or a value has the wrong type.
        """
        try:
            return cls.parse(values, "")
        except InputError as error:
            raise InputError(f"{where}: {error}") from None

    @classmethod
    def parse(cls: type[R], values: object, path: str) -> R:
        """Read a record that lies at a dotted path within its file.

        Raises:
            InputError: as ``read``; the message names the path alone.
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
    """Base of the records that are a JSON file of their own."""

    FILE: ClassVar[str]
    """Usual name of the file."""
    SCHEMA_VERSION: ClassVar[int]
    """Version of the file's form, its first key."""

    def plain(self) -> dict[str, Any]:
        """Return what the file holds."""
        return {"schema_version": self.SCHEMA_VERSION} | super().plain()

    def write(self, file: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            InputError: the folder cannot be written to.
        """
        text = json.dumps(self.plain(), indent=2, allow_nan=False, ensure_ascii=False)
        # a file name that is not UTF-8 gives lone surrogates, which JSON can only hold escaped
        write_text(file, text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")

    @classmethod
    def load(cls: type[F], file: Path, remedy: str) -> F:
        """Read a file.

        Args:
            file: what ``write`` wrote.
            remedy: what the message tells the user to do where the file cannot be used.

        Raises:
            InputError: the file cannot be read or is damaged, or another version of ifdd wrote it in another form.
        """
        try:
            values = read_typed(dict, json.loads(file.read_text(encoding="utf-8")), "")
            version = read_value(int, values.pop("schema_version", None), "schema_version")
            if version == cls.SCHEMA_VERSION:
                return cls.parse(values, "")
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{file} is damaged ({error}); {remedy}") from error
        raise InputError(f"{file} has the form {version} of another version of ifdd; {remedy}")


_WORDS = {int: "an integer", float: "a finite number", str: "text", bool: "true or false", dict: "an object"}


def kinds_of(record: type[Record]) -> dict[str, Any]:
    """Return field -> type of a record."""
    hints = get_type_hints(record)
    return {each.name: hints[each.name] for each in fields(record)}


def below(path: str, name: str) -> str:
    """Return the dotted path of a field."""
    return f"{path}.{name}" if path else name


def read_value(kind: Any, value: Any, path: str) -> Any:
    """Return a value of JSON as the type of a field.

    Raises:
        InputError: the value has another type; the message names the path.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):  # of None and one other type
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
    """Return a list as a tuple of (one type, ...), or of one type an item."""
    any_length = kinds[-1] is Ellipsis
    if not isinstance(value, list) or (not any_length and len(value) != len(kinds)):
        raise InputError(
            f"{path} is {reprlib.repr(value)}; it must be a list" + ("" if any_length else f" of {len(kinds)}")
        )
    each = kinds[:1] * len(value) if any_length else kinds
    pairs = zip(each, value, strict=True)
    return tuple(read_value(kind, item, f"{path}[{place}]") for place, (kind, item) in enumerate(pairs))


def read_typed(kind: type, value: Any, path: str) -> Any:
    """Return a value of one of JSON's own types; an integer is a number too.

    Raises:
        InputError: the value has another type, or is a number that is not finite.
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
