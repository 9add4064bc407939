"""Names of files that the disk takes, and text that a terminal can show."""

import hashlib
import os
import re
import tempfile
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LONGEST_NAME = 255
"""Longest name of a file in bytes on almost every disk."""

LONGEST_ENDING = len(".corrections.json")
"""Bytes that a name must leave for the longest ending of a result, or of what belongs to it."""

_RESERVED = re.compile(r'[<>:"|?*\\\x00-\x1f]')
"""Characters that Windows and FAT disks refuse."""

_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)", re.IGNORECASE)
"""Names that Windows keeps for devices, with any ending."""

_NOT_UTF8 = re.compile("[\ud800-\udfff]")
_JOINERS = "\u200c\u200d"  # part of words in some scripts, and of emoji


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return text with everything escaped that a terminal would not show, or obey instead of showing.

    These are control characters with the escape sequences that they begin, marks that turn the direction of writing,
    and bytes of file names that are not UTF-8.

    Args:
        text: the text.
        lines: keep line ends.

    Example:
        >>> from ifdd.names import printable
        >>> print(printable("two\nlines, \x1b[31mred, caf\udce9"))
        two\nlines, \x1b[31mred, caf\xe9
    """
    if text.isprintable():
        return text
    return "".join(each if (lines and each == "\n") or _is_shown(each) else _escaped(each) for each in text)


def _is_shown(character: str) -> bool:
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is not UTF-8
        code -= 0xDC00
    elif code > 0xFF or character in "\n\r\t":
        return character.encode("unicode_escape").decode("ascii")
    return f"\\x{code:02x}"


def listed(names: Sequence[str], most: int) -> str:
    """Return names on one line for a message, or the first of many and how many more there are.

    Example:
        >>> from ifdd.names import listed
        >>> listed(["a", "b", "c", "d"], most=2)
        'a, b and 2 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def counted(count: int, unit: str) -> str:
    """Return a number of things, whose plural ends in s.

    Example:
        >>> from ifdd.names import counted
        >>> counted(1, "frame"), counted(2, "frame")
        ('1 frame', '2 frames')
    """
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


@dataclass(frozen=True)
class Disk:
    """The names that a disk takes."""

    longest: int = LONGEST_NAME
    """Longest name in bytes."""
    takes_reserved: bool = True
    """Whether names may contain what Windows and FAT disks refuse, such as ``:`` and a final dot."""
    takes_bytes: bool = True
    """Whether names may be bytes that are not UTF-8."""
    folds: bool = False
    """Whether names that differ only by case or by the form of their accents are one file."""

    @classmethod
    def of(cls, folder: Path) -> "Disk":
        """Find out by trying, in a temporary folder that is removed; a folder that is not writable takes all names."""
        place = next((each for each in (folder, *folder.absolute().parents) if each.is_dir()), Path())
        try:
            longest = min(os.pathconf(place, "PC_NAME_MAX"), LONGEST_NAME)
        except (OSError, ValueError, AttributeError):
            longest = LONGEST_NAME
        try:
            trial = Path(tempfile.mkdtemp(prefix=".partial-", dir=place))
        except OSError:
            return cls(longest)
        try:
            reserved = all(_takes(trial, name) for name in ('a:b?*"<>|\\c', "tail.", "con"))
            folds = not all(_differ(trial, *names) for names in (("a", "A"), ("\u00e9", "e\u0301")))
            return cls(longest, reserved, _takes(trial, "byte\udce9"), folds)
        finally:
            with suppress(OSError):
                trial.rmdir()

    def fit(self, name: str) -> str:
        """Return a name of a result, with folders and without its ending, as the disk takes it.

        What the disk refuses becomes ``_``. A part that is too long is cut between two characters and ends in a hash
        of the whole, so that different names stay different.

        Example:
            >>> from ifdd.names import Disk
            >>> Disk(takes_reserved=False).fit("Who? Me.")
            'Who_ Me'
            >>> Disk(longest=32).fit("the quick brown fox")
            'the qu~9ecb3656'
        """
        return "/".join(self._fit_part(part) for part in name.split("/"))

    def _fit_part(self, part: str) -> str:
        fitted = part if self.takes_bytes else _NOT_UTF8.sub("_", part)
        if not self.takes_reserved:
            fitted = _DEVICE.sub(r"_\1", _RESERVED.sub("_", fitted).rstrip(". ") or "_", count=1)
        return _shorten(fitted, self.longest - LONGEST_ENDING)


def same_file(name: str) -> str:
    """Return what is equal for two names that are one file on some disk: they differ by case or Unicode form only.

    Example:
        >>> from ifdd.names import same_file
        >>> same_file("CAF\N{LATIN CAPITAL LETTER E WITH ACUTE}") == same_file("cafe\N{COMBINING ACUTE ACCENT}")
        True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _takes(folder: Path, name: str) -> bool:
    """Whether a file of this name can be made and is then called so."""
    try:
        (folder / name).touch(exist_ok=False)
        return name in (path.name for path in folder.iterdir())
    except (OSError, ValueError):
        return False
    finally:
        with suppress(OSError, ValueError):
            (folder / name).unlink()


def _differ(folder: Path, one: str, other: str) -> bool:
    """Whether two names are two files."""
    try:
        (folder / one).touch(exist_ok=False)
        return not (folder / other).exists()
    except (OSError, ValueError):
        return True
    finally:
        with suppress(OSError, ValueError):
            (folder / one).unlink()


def _shorten(part: str, most: int) -> str:
    """Return a name of at most ``most`` bytes."""
    if _size(part) <= most:
        return part
    mark = "~" + hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    end, left = 0, most - len(mark)
    while (left := left - _size(part[end])) >= 0:
        end += 1
    while end > 1 and _joins(part[end]):  # keeps accents with their letters
        end -= 1
    return part[:end] + mark


def _size(text: str) -> int:
    """Return the bytes of a name on disk; a byte that is not UTF-8 counts as three, which is safe."""
    return len(text.encode("utf-8", "surrogatepass"))


def _joins(character: str) -> bool:
    """Whether a character belongs to the one before it."""
    return unicodedata.category(character) in ("Mn", "Me", "Mc", "Sk") or character in _JOINERS
