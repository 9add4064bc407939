"""Templates -> HTML."""

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from ifdd.errors import InputError
from ifdd.names import printable

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: object) -> str:
    """Fill in a template; every text in the values is escaped, and characters that cannot be shown are spelt out.

    Args:
        template: ``base.html``, ``macros.html`` or ``room/name.html``, which is the file ``name.html`` in the folder
            ``templates`` of a room. A page extends ``base.html`` and fills its blocks ``title`` and ``content``.
        values: names in the template -> values; a missing name is an error.

    Raises:
        InputError: Jinja2 is not installed.

    Example:
        >>> from ifdd.pages import render
        >>> "<h1>A &amp; B</h1>" in render("base.html", heading="A & B")
        True
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> "Environment":
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise InputError("a page needs Jinja2, which is not installed: pip install 'ifdd[report]'") from error
    return Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _source(name: str) -> str | None:
    """Return the text of a template; None if there is none."""
    room, _, file = name.rpartition("/")
    path = resources.files("ifdd").joinpath(*(room or "pages").split("/"), "templates", file)
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _shown(value: Any) -> Any:
    """Spell out what a page cannot hold or would obey: control characters, bytes that are not UTF-8."""
    if type(value) is not str:  # markup that is safe already stays as it is
        return value
    return printable(value, lines=True)
