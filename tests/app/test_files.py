"""The page's own files: shipped, short, and without a network."""

import re
import tomllib

from tests.helpers.pages import ROOT

PACKAGE = ROOT / "src" / "ifdd"
STATIC = sorted((PACKAGE / "app" / "static").iterdir())


def test_the_wheel_holds_every_file_of_the_page() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["ifdd"]
    shipped = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    assert {"index.html", "main.js", "page.css"} <= {path.name for path in STATIC}
    assert set(STATIC) <= shipped


def test_every_script_is_short_and_reaches_no_other_server() -> None:
    for path in STATIC:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 400, path.name
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert addresses <= {"http://127.0.0.1."}, path.name  # in a sentence


def test_texts_never_become_html() -> None:
    for path in STATIC:
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", path.read_text()
        )
        assert found == [], path.name
