"""Read the HTML pages that ifdd writes, and check what every one of them promises."""

import itertools
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

VOID = {"br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
"""Elements without an end tag."""

LOADING = ("src", "srcset", "href", "action", "data", "poster", "background", "formaction", "xlink:href")
"""Attributes from which a browser loads something or to which it goes."""

ADDRESS = re.compile(r"url\(|@import|https?:|//", re.IGNORECASE)


class Page(HTMLParser):
    """A page as a list of elements, with the text of each; the tags must be balanced."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        """Text of each element, with that of the elements within."""
        self._open: list[int] = []
        self.feed(html)
        self.close()
        assert not self._open, f"not closed: {[self.elements[place][0] for place in self._open]}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice"
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        self.texts.append("")
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        place = self._open.pop()
        assert self.elements[place][0] == tag, f"</{tag}> ends <{self.elements[place][0]}>"

    def handle_data(self, data: str) -> None:
        for place in self._open:
            self.texts[place] += data

    def all(self, *tags: str) -> list[dict[str, str]]:
        """Return the attributes of all elements of some kinds."""
        return [attributes for tag, attributes in self.elements if tag in tags]

    def texts_of(self, *tags: str) -> list[str]:
        """Return the texts of all elements of some kinds, with single spaces."""
        return [" ".join(text.split()) for (tag, _), text in zip(self.elements, self.texts, strict=True) if tag in tags]


def check_page(html: str) -> Page:
    """Check that a page parses, loads nothing from outside, runs nothing, and can be read without eyes or a mouse."""
    assert html.startswith("<!DOCTYPE html>")
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)), "an id occurs twice"
    policy = next(meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")["content"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline';")
    assert not page.all("script", "iframe", "object", "embed", "link", "base", "form")
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], f"<{tag}> runs a script"
        assert not ADDRESS.search(attributes.get("style", ""))
        for name in LOADING:
            if name in attributes:
                value = attributes[name]
                assert value.startswith("data:image/") or (value.startswith("#") and value[1:] in ids), value[:80]
    assert not any(ADDRESS.search(text) for text in page.texts_of("style"))
    assert page.all("html")[0]["lang"]
    assert page.texts_of("title")[0]
    assert len(page.all("main")) == 1
    assert all(image.get("alt") for image in page.all("img")), "an image has no text"
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[:1] == [1]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(cell.get("scope") in ("col", "row", "colgroup", "rowgroup") for cell in page.all("th"))
    return page


def check_svg(svg: str) -> str:
    """Check that a picture parses and refers only to itself; return its text."""
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        for name, value in element.attrib.items():
            if name.endswith("href"):
                assert value.startswith(("#", "data:")), value
            assert not re.search(r"url\((?!#)", value), value
    return " ".join("".join(root.itertext()).split())
