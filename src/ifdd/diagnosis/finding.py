"""What a check found."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from ifdd.errors import InputError

State = Literal["ok", "note", "wrong"]
"""ok: works, or needs no attention. note: an option is missing, or something is unusual. wrong: needed, and broken."""


class Finding(NamedTuple):
    """One line of the diagnosis."""

    group: str
    """What it belongs to, such as packages."""
    name: str
    """What was checked."""
    value: str
    """What was found."""
    state: State = "ok"
    remedy: str = ""
    """What to do; empty if there is nothing to do."""


Check = Callable[[], Iterable[Finding]]


def guarded(group: str, check: Check) -> Iterator[Finding]:
    """Yield the findings of a check; if the check fails itself, that is a finding too, and the last one."""
    name = getattr(check, "__name__", "check").replace("_", " ")
    try:
        yield from check()
    except InputError as error:  # its message has the remedy
        yield Finding(group, name, str(error), "wrong", "see the message")
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        yield Finding(group, name, reason, "wrong", "install ifdd and its dependencies again in a new environment")


def shown(path: Path) -> str:
    """Return a path without the name of the user: from the home folder on, or its last two parts.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.diagnosis.finding import shown
        >>> shown(Path.home() / ".cache" / "torch"), shown(Path("/disks/alice/cache/torch"))
        ('~/.cache/torch', '.../cache/torch')
    """
    text, home = os.path.abspath(path), os.path.expanduser("~")  # noqa: PTH100, PTH111 (nothing need exist)
    if text == home or text.startswith(home.rstrip(os.sep) + os.sep):
        return "~" + text[len(home.rstrip(os.sep)) :]
    parts = Path(text).parts
    return text if len(parts) <= 3 else os.path.join("...", *parts[-2:])  # noqa: PTH118


def without_names(finding: Finding) -> Finding:
    """Return a finding in which the home folder and the name of the user do not occur, as messages may hold them.

    Remedies are texts of ifdd, in which a word may happen to be the name of the user: there, only paths hold it.
    """
    home = os.path.expanduser("~").rstrip(os.sep)  # noqa: PTH111
    user = os.path.basename(home)  # noqa: PTH119

    def replaced(text: str, before: str) -> str:
        text = text.replace(home, "~") if home else text
        return re.sub(rf"{before}{re.escape(user)}\b", "USER", text) if len(user) > 2 and user != "root" else text

    return finding._replace(value=replaced(finding.value, r"\b"), remedy=replaced(finding.remedy, r"(?<=[/\\])"))


def size_words(count: int | float) -> str:
    """Return a number of bytes as people write it.

    >>> from ifdd.diagnosis.finding import size_words
    >>> size_words(317_466), size_words(52e9)
    ('317 kB', '52.0 GB')
    """
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
