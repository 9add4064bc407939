"""Pages: escaped, self-contained, light and dark."""

import base64
import sys
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from ifdd.errors import InputError
from ifdd.names import printable
from ifdd.pages import Picture, figure_uri, image_uri, render, themed
from ifdd.pages.pictures import DARK, LIGHT
from ifdd.pages.rendering import _environment
from tests.helpers.html import check_page, check_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOSTILE = "<script>alert('1')</script> $a$ & \"b\" \x1b[31m caf\udce9"


def content(uri: str, kind: str) -> bytes:
    prefix = f"data:{kind};base64,"
    assert uri.startswith(prefix)
    return base64.b64decode(uri.removeprefix(prefix), validate=True)


def draw() -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1))
    figure.subplots().set_title(printable(HOSTILE[:-1]) + "\x1b")
    return figure


def test_a_page_is_complete_and_escapes_everything() -> None:
    page = check_page(render("base.html", heading=HOSTILE))
    shown = "<script>alert('1')</script> $a$ & \"b\" \\x1b[31m caf\\xe9"
    assert page.texts_of("h1", "title") == [shown, shown]


def test_tables_charts_and_images_are_escaped_and_described() -> None:
    environment = _environment()
    template = environment.from_string(
        "{% extends 'base.html' %}{% from 'macros.html' import chart, data_table, image %}{% block content %}<h2>x</h2>"
        "{{ data_table(name, [name, 'n'], [[name, 1]]) }}{{ image(uri, name, name) }}{{ chart(picture, name, name) }}"
        "{% call chart(picture, name, name) %}{{ data_table(name, ['a'], []) }}{% endcall %}{% endblock %}"
    )
    black = image_uri(np.zeros((2, 2, 3), np.uint8))
    page = check_page(template.render(heading="h", name=HOSTILE, uri=black, picture=Picture(black, black)))
    shown = page.texts_of("caption")[0]
    assert "<script>" in shown
    assert page.texts_of("th") == [shown, "n", shown, "a"]
    assert page.texts_of("td") == ["1"]
    assert {image["alt"] for image in page.all("img")} == {shown}
    assert page.texts_of("figcaption") == [shown] * 3
    assert len(page.all("details")) == 1


def test_a_missing_value_is_an_error_and_not_an_empty_place() -> None:
    with pytest.raises(Exception, match="'heading' is undefined"):
        render("base.html")


def test_a_room_has_templates_of_its_own() -> None:
    with pytest.raises(Exception, match=r"evaluation/missing\.html"):
        render("evaluation/missing.html")


def test_a_chart_is_drawn_in_the_colours_of_the_page_and_names_are_not_formulas() -> None:
    picture = themed(draw)
    for uri, colours in zip(picture, (LIGHT, DARK), strict=True):
        svg = content(uri, "image/svg+xml").decode()
        assert "<script>alert('1')</script> $a$" in check_svg(svg)
        assert "DOCTYPE" not in svg
        assert colours["ink"] in svg
        assert colours["paper"] in svg
    assert picture == themed(draw)


def test_a_figure_of_ones_own_becomes_an_svg() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0.5, 0.5, "A < B")
    assert "A < B" in check_svg(content(figure_uri(figure), "image/svg+xml").decode())


def test_an_image_keeps_its_colours() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 250
    png = cv2.imdecode(np.frombuffer(content(image_uri(red, None), "image/png"), np.uint8), cv2.IMREAD_COLOR)
    jpeg = cv2.imdecode(np.frombuffer(content(image_uri(red), "image/jpeg"), np.uint8), cv2.IMREAD_COLOR)
    assert png is not None
    assert jpeg is not None
    assert (png[..., ::-1] == red).all()
    assert abs(jpeg[..., ::-1].astype(int) - red).max() < 8


@pytest.mark.parametrize(("library", "wanted"), [("jinja2", "Jinja2"), ("matplotlib", "matplotlib")])
def test_a_missing_library_is_named_with_its_extra(library: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    _environment.cache_clear()
    with pytest.raises(InputError, match=rf"needs {wanted}, which is not installed: pip install 'ifdd\[report\]'"):
        render("base.html", heading="h") if library == "jinja2" else themed(draw)
