"""Options that give names a meaning: labels a class, tiers their people."""

from ifdd.errors import InputError


def parse_choices(option: str, words: str) -> dict[str, str]:
    """Parse a list such as ``smile=happy,frown=``.

    Raises:
        InputError: an item has no ``=``, or a name occurs twice.
    """
    choices: dict[str, str] = {}
    for item in filter(None, (word.strip() for word in words.split(","))):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not name or name in choices:
            raise InputError(f"{option}: {item!r} is not understood; write name=value,name=value, each name once")
        choices[name] = value
    return choices
