"""One-line errors for wrong options: the option or the place in a file, the value, and the allowed values.

Used after the parser has failed: each setting is checked separately.
"""

import re
from collections.abc import Sequence
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from ifdd.command_line.documents import Setting
from ifdd.command_line.options import CONFIG, PRINT_CONFIG, REQUIRED, Command, wrong_value
from ifdd.errors import InputError

_ABOUT = re.compile(r"(?:--)?([\w.-]+)(?=:? )")
"""The option that an error is about, at its beginning."""


def explain(command: Command, settings: Sequence[Setting]) -> InputError:
    """Return the error that explains why the parser failed."""
    for setting in settings:
        option = command.by_name.get(setting.name)
        if option is None or option.is_word_list or option.name in (CONFIG, PRINT_CONFIG):
            continue
        if not _fits(option.annotation, setting.value):
            return wrong_value(setting.written, setting.value, option)
    for option in command.options:
        if option.default is REQUIRED and option.name not in {setting.name for setting in settings}:
            summary = re.split(r"[;:.] ", option.summary)[0].removesuffix(".")
            about = f": {summary}" if summary else ""
            return InputError(f"{option.spelling} is missing{about} (see 'ifdd {command.name} --help')")
    return InputError(f"these options do not fit together; see 'ifdd {command.name} --help'")


def locate(error: InputError, settings: Sequence[Setting]) -> InputError:
    """Return an error with the file and line of the option that it is about, if a file gave the option."""
    about = _ABOUT.match(str(error))
    if about is None:
        return error
    name = about.group(1).replace("-", "_")
    place = next((setting.place for setting in reversed(settings) if setting.name == name), "")
    return InputError(f"{place}: {str(error).removeprefix('--')}") if place else error


def _fits(annotation: Any, value: str) -> bool:
    """Whether a value can be parsed as a type."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=annotation)
    try:
        parser.parse_args([f"--value={value}"])
    except ArgumentError:
        return False
    return True
