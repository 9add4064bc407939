"""YAML files of options, read into one setting per option, each with its place for messages."""

import codecs
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ifdd.command_line.options import CONFIG, PRINT_CONFIG, Command, Option, plain, wrong_value
from ifdd.command_line.words import RECIPE_SUFFIXES, SWITCH_VALUES, Given
from ifdd.errors import InputError
from ifdd.files import expand

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""First bytes of a file -> its encoding."""

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(
    _TAG + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map", "merge", "value")
)
MOST_VALUES = 100_000
"""Values of a document with its references written out; a few lines of references can stand for billions."""

_SWITCHES = {**SWITCH_VALUES, "on": "true", "off": "false"}


class Setting(NamedTuple):
    """The value of one option, from the command line or a file."""

    name: str
    """Dotted name for the parser."""
    written: str
    """Name as the user wrote it, for messages; for a file, with the place."""
    value: str
    """Value in the parser's syntax."""
    words: tuple[str, ...] = ()
    """The items, for a list of positional words."""
    place: str = ""
    """File and line; empty for the command line."""
    file: Path | None = None
    """The file; None for the command line."""


def read_documents(command: Command, given: Sequence[Given]) -> list[Setting]:
    """Return the settings of a command line, with those of its YAML files and documents in their places.

    Raises:
        InputError: a file cannot be read, or it has an unknown or repeated key or a value of the wrong kind.
    """
    settings: list[Setting] = []
    for each in given:
        name = each.name.removesuffix("+")
        if name == CONFIG or (name in command.groups and each.value.lower().endswith(RECIPE_SUFFIXES)):
            settings += _of_file(command, expand(each.value), "" if name == CONFIG else f"{name}.")
        elif name in command.groups:
            settings += _of_value(command, each, f"{name}.")
        else:
            settings.append(Setting(each.name, each.written, each.value))
    return settings


def _of_value(command: Command, given: Given, prefix: str) -> list[Setting]:
    remedy = InputError(f"{given.written} is {given.value!r}; give a YAML file or {{name: value}}")
    return _Document(command, Path(), lambda line: given.written).settings(given.value, prefix, remedy)


def _of_file(command: Command, file: Path, prefix: str) -> list[Setting]:
    remedy = InputError(f"{file} has no options; write them as 'name: value'")
    document = _Document(command, file.parent, lambda line: f"{file}, line {line}")
    settings = document.settings(_read_text(file), prefix, remedy)
    return [each if each.file else each._replace(file=file) for each in settings]  # others are of files that it names


def _read_text(file: Path) -> str:
    """Read a YAML file: UTF-8, or whatever its byte order mark says.

    Raises:
        InputError: the file does not exist, or is in another encoding.
    """
    if file.is_dir():
        raise InputError(f"{file} is a folder; give a YAML file")
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{file} does not exist; give a YAML file with options") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror})") from None
    mark = next((mark for mark in BYTE_ORDER_MARKS if data.startswith(mark)), b"")
    encoding = BYTE_ORDER_MARKS.get(mark, "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if mark:
            raise InputError(f"{file} is not text in {encoding.upper()}, as it begins; save it as UTF-8") from None
        line, byte = data.count(b"\n", 0, error.start) + 1, data[error.start]
        raise InputError(f"{file} is not text in UTF-8 (line {line}, byte 0x{byte:02x}); save it as UTF-8") from None


class _Document:
    """One YAML document.

    Args:
        command: the command.
        folder: where files that the document names are searched.
        place: function from a line number to its name in messages.
    """

    def __init__(self, command: Command, folder: Path, place: Callable[[int], str]) -> None:
        self.command = command
        self.folder = folder
        self.place = place
        self.lines: dict[str, int] = {}
        """Dotted name -> line of the options found."""

    def settings(self, text: str, prefix: str, remedy: InputError) -> list[Setting]:
        """Return the settings of the document.

        Args:
            text: the document.
            prefix: dotted name of the document's group with a trailing dot; "" for all options.
            remedy: error to raise if the document is not a mapping.

        Raises:
            InputError: the document cannot be read, or a key or a value is wrong.
        """
        try:
            root = yaml.compose(text, yaml.SafeLoader)
        except yaml.YAMLError as error:
            raise self._not_yaml(error) from None
        except RecursionError:
            raise InputError(f"{self.place(1)}: the values are nested too deeply; write plain options") from None
        if not isinstance(root, yaml.MappingNode):
            raise remedy
        known: dict[int, int | float] = {}
        if _count_values(root, known) > max(MOST_VALUES, 10 * len(known)):  # a long list of videos has no references
            raise InputError(
                f"{self.place(1)}: its references (&, *) are endless or stand for more than {MOST_VALUES:,} values; "
                "write the values out"
            )
        return list(self._of_mapping(root, prefix))

    def _not_yaml(self, error: yaml.YAMLError) -> InputError:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "a character is not allowed"
        advice = "; indent with spaces, not with tabs" if "\\t" in reason else ""
        return InputError(f"{self.place(mark.line + 1 if mark else 1)}: this is not YAML ({reason}){advice}")

    def _of_mapping(self, node: yaml.MappingNode, prefix: str) -> Iterator[Setting]:
        """Yield the settings below a key."""
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(f"{self.place(line)}: a key is not text; write options as 'name: value'")
            if key.value in seen:
                raise self._twice(f"{prefix}{key.value}", line, seen[key.value])
            seen[key.value] = line
        yaml.SafeLoader("").flatten_mapping(node)  # merges what '<<: *name' refers to
        own = {key.value: (key, value) for key, value in node.value}  # merged ones come first
        for key, value in own.values():
            name, line = self._name(f"{prefix}{key.value}"), key.start_mark.line + 1
            place = self.place(line)
            if name in self.command.groups:
                yield from self._of_group(name, value, place)
            else:
                if name in self.lines:
                    raise self._twice(name, line, self.lines[name])
                self.lines[name] = line
                yield self._setting(name, value, place)

    def _twice(self, name: str, line: int, first: int) -> InputError:
        return InputError(f"{self.place(line)}: {name} is given twice, in line {first} too; keep one")

    def _name(self, name: str) -> str:
        """Return the name of an option that may be spelt as on the command line, with hyphens."""
        other = name.replace("-", "_")
        return other if other in self.command.by_name or other in self.command.groups else name

    def _of_group(self, name: str, value: yaml.Node, place: str) -> Iterator[Setting]:
        if isinstance(value, yaml.MappingNode):
            yield from self._of_mapping(value, f"{name}.")
        elif isinstance(value, yaml.ScalarNode) and value.value.lower().endswith(RECIPE_SUFFIXES):
            yield from _of_file(self.command, self.folder / expand(value.value), f"{name}.")
        else:
            shown = _shown(name, value, place)
            raise InputError(f"{place}: {name} is {shown!r}; give its options below it, as 'name: value'")

    def _setting(self, name: str, node: yaml.Node, place: str) -> Setting:
        option = None if name in (CONFIG, PRINT_CONFIG) else self.command.find(name)
        if option is None:
            nearest = self.command.nearest(name, positionals=True)
            meant = f"; did you mean {nearest}?" if nearest else ";"
            raise InputError(f"{place}: unknown key {name}{meant} see 'ifdd {self.command.name} --help'")
        written = f"{place}: {name}"
        shown = _shown(name, node, place)  # refuses tags, also within
        if option.is_word_list:
            return Setting(name, written, shown, tuple(_words(option, node, written)), place)
        if isinstance(node, yaml.ScalarNode):
            exact = option.name == name
            return Setting(name, written, _scalar(option, node, written) if exact else node.value, (), place)
        return Setting(name, written, _collection(option, node), (), place)


def _scalar(option: Option, node: yaml.ScalarNode, written: str) -> str:
    """Return a value as it would stand on the command line: the text that the user wrote, whatever YAML makes of it."""
    if node.tag == _TAG + "null":
        if not option.nullable:
            raise wrong_value(written, node.value or "null", option)
        return "null"
    if option.is_switch:
        if node.value.lower() not in _SWITCHES:
            raise wrong_value(written, node.value, option)
        return _SWITCHES[node.value.lower()]
    return node.value


def _words(option: Option, node: yaml.Node, written: str) -> Iterator[str]:
    """Yield the items of a list of words; a single one needs no brackets."""
    items = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for item in items:
        if not isinstance(item, yaml.ScalarNode) or item.tag == _TAG + "null":
            raise wrong_value(written, plain(_construct(node)), option)
        yield item.value


def _collection(option: Option, node: yaml.Node) -> str:
    """Return a list or mapping on one line; items that must be text are what the user wrote: ``[no, 1]``."""
    if option.is_text_list and all(isinstance(item, yaml.ScalarNode) for item in node.value):
        return json.dumps([item.value for item in node.value], ensure_ascii=False)
    text = yaml.safe_dump(
        _construct(node), default_flow_style=True, allow_unicode=True, width=1_000_000, sort_keys=False
    )
    return text.strip()


def _count_values(node: yaml.Node, known: dict[int, int | float]) -> int | float:
    """Return the number of values in a node with its references written out; infinite if it contains itself.

    Args:
        node: the node.
        known: ID of a node that was counted -> its number.
    """
    if id(node) not in known:
        known[id(node)] = math.inf
        inner = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = [part for each in inner for part in (each if isinstance(each, tuple) else (each,))]
        known[id(node)] = 1 + sum(_count_values(part, known) for part in parts)
    return known[id(node)]


def _construct(node: yaml.Node) -> Any:
    """Return the value of a node."""
    return yaml.safe_load(yaml.serialize(node))


def _shown(name: str, node: yaml.Node, place: str) -> str:
    """Return a value on one line."""
    try:
        return node.value if isinstance(node, yaml.ScalarNode) and node.tag in _PLAIN_TAGS else plain(_construct(node))
    except yaml.YAMLError:
        raise InputError(f"{place}: {name} has the tag {node.tag}; give a plain value") from None
