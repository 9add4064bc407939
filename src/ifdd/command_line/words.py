"""Assignment of the words after ``ifdd COMMAND`` to options, in both spellings and with bare switches.

jsonargparse's own switches (``ActionYesNo``) either take no value, so that ``--resume true`` fails, or always take the
next word as their value, so that ``--pack dfew`` fails. They do not work for the fields of dataclasses either.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from ifdd.command_line.options import CONFIG, PRINT_CONFIG, Command, Option, spell
from ifdd.errors import InputError

RECIPE_SUFFIXES = (".yaml", ".yml")
SWITCH_VALUES = {"true": "true", "yes": "true", "false": "false", "no": "false"}
OPPOSITE = {"true": "false", "false": "true"}


class Given(NamedTuple):
    """An option or positional word on the command line."""

    name: str
    """Name for the parser."""
    written: str
    """Name as the user wrote it, for messages."""
    value: str


class Plain(NamedTuple):
    """A word that is not an option."""

    word: str
    behind: str = ""
    """The switch before the word, if any; the word may be meant as its value."""


def read_words(command: Command, words: Sequence[str]) -> tuple[list[Given], list[Plain]]:
    """Return the options and the positional words of a command line.

    If the first positional word ends in .yaml or .yml, it becomes the value of ``--config``. It is put first, so that
    all options override it.

    Raises:
        InputError: an option is unknown or has no value.
    """
    given: list[Given] = []
    plain: list[Plain] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            plain += [Plain(each) for each in left]
            break
        if word.startswith("-") and word != "-":
            given.append(_read_option(command, word, left))
        else:
            behind = given[-1].written if given and given[-1].name in command.switches else ""
            plain.append(Plain(word, behind))
    if plain and plain[0].word.lower().endswith(RECIPE_SUFFIXES):
        given.insert(0, Given(CONFIG, "--config", plain.pop(0).word))
    return given, plain


def _read_option(command: Command, word: str, left: list[str]) -> Given:
    """Return the option that a word starts; take its value from ``left`` if it is the next word."""
    written, equals, value = word.partition("=")
    name = written.removeprefix("--").replace("-", "_")
    if not written.startswith("--") or name.rstrip("+") == "":
        raise InputError(f"unknown option {written}; see 'ifdd {command.name} --help'")
    plus = "+" if name.endswith("+") else ""  # jsonargparse's syntax for appending to a list
    name = name.removesuffix("+")
    option = command.find(name)
    if name in (PRINT_CONFIG, *command.groups):
        pass
    elif option is None:
        positive = _without_no(command, name)
        if positive is None:
            raise unknown_option(command, written, name)
        return Given(positive.name, written, OPPOSITE[_switch_value(written, equals, value, left)])
    elif option.positional:
        raise InputError(f"{written} is not an option; give {option.spelling} as a word without a name")
    elif option.is_switch:
        return Given(name, written, _switch_value(written, equals, value, left))
    if not equals and name != PRINT_CONFIG:
        if (not left or left[0].startswith("--")) and option is not None and option.may_be_bare:
            return Given(name, written, "true")
        if not left or left[0].startswith("--"):
            summary = f": {option.summary}" if option is not None and option.summary else ""
            raise InputError(f"{written} needs a value{summary}")
        value = left.pop(0)
    return Given(name + plus, written, value)


def _switch_value(written: str, equals: str, value: str, left: list[str]) -> str:
    """Return "true" or "false" for a switch with or without a value."""
    if not equals:
        value = left.pop(0) if left and left[0].lower() in SWITCH_VALUES else "true"
    if value.lower() not in SWITCH_VALUES:
        raise InputError(f"{written} is {value!r}; it must be true or false")
    return SWITCH_VALUES[value.lower()]


def _without_no(command: Command, name: str) -> Option | None:
    """Return the switch that a name such as ``no_data.cache`` or ``data.no_cache`` turns off; None if there is none."""
    group, dot, last = name.rpartition(".")
    for positive in (name.removeprefix("no_"), group + dot + last.removeprefix("no_")):
        option = command.by_name.get(positive)
        if positive != name and option is not None and option.is_switch:
            return option
    return None


def unknown_option(command: Command, written: str, name: str) -> InputError:
    """Return the error for an unknown option."""
    nearest = command.nearest(name)
    meant = f"; did you mean {spell(nearest)}?" if nearest else ";"
    return InputError(f"unknown option {written}{meant} see 'ifdd {command.name} --help'")


def name_positionals(command: Command, words: Sequence[Plain], known: Collection[str] = ()) -> list[Given]:
    """Assign each positional word to its argument.

    Words that are exactly as many as the arguments that YAML files lack are these; others begin with the first.

    Args:
        command: the command.
        words: the words in order.
        known: the names that YAML files give.

    Raises:
        InputError: there are too many words.
    """
    positionals = command.positionals
    missing = [option for option in positionals if option.name not in known]
    if positionals and positionals[0].is_list:
        positionals = [positionals[0]] * len(words)
    elif len(words) == len(missing):
        positionals = missing
    for word, behind in words[len(positionals) :]:
        if behind:
            raise InputError(f"{behind} is {word!r}; it must be true or false")
        raise InputError(f"unexpected word {word!r}; see 'ifdd {command.name} --help'")
    return [Given(option.name, option.spelling, word) for option, (word, _) in zip(positionals, words, strict=False)]
