"""The site is built without a warning and needs no network; its notebooks run, and show what their code gave."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from docs.notebooks import CHECKSUM, ESCAPES, checksum, notebooks, prepare
from docs.site import hooks
from ifdd.__main__ import main
from tests.helpers.pages import ROOT
from tests.helpers.processes import run


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built site; a warning, such as a link without target, fails."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", folder]  # --quiet would hide warnings from strict
    run(command, cwd=ROOT, env={"NO_MKDOCS_2_WARNING": "1"})
    return folder


def text_of(page: Path) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_the_site_shows_formulas_examples_and_results(site: Path) -> None:
    model = (site / "model.html").read_text(encoding="utf-8")
    assert model.count("<math") > 5
    assert "$`" not in model
    api = text_of(site / "api.html")
    assert "from_checkpoint" in api
    assert ">>>" in api.replace("&gt;", ">")
    assert "Example:" not in api  # as a heading, it would not be recognised as one
    notebook = (site / "notebooks" / "read_a_video.html").read_text(encoding="utf-8")
    assert "<img" in notebook
    assert 'class="dataframe"' in notebook
    assert "Recognise expressions" in text_of(site / "index.html")


def test_faults_of_the_site_are_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("b.html", "a/c.png"):
        (tmp_path / name).touch()
    page = hooks._References()
    page.feed('<h1 id="top">A</h1>')
    pages = {"b.html": page, "a/d.html": hooks._References()}

    def problem(link: str, is_loaded: bool = False) -> str:
        return hooks._problem("a/d.html", link, is_loaded, pages, tmp_path)

    for link in ("c.png", "../b.html", "../b.html#top", "https://example.org", "../b.html?x=1#top"):
        assert problem(link) == ""
    assert problem("e.png") == problem("../../b.png") == "leads nowhere"
    assert problem("../b.html#bottom") == "names an anchor that does not exist"
    for link in ("https://example.org/a.js", "//example.org/a.js", "file:///a.js"):
        assert problem(link, is_loaded=True) == "would be loaded from the network"


def test_formulas_become_mathml_and_file_names_are_found() -> None:
    (rows,) = hooks.FENCED_MATH.findall(
        '<div class="math">\\begin{aligned} a &amp;= b \\\\ c &amp;= d \\end{aligned}</div>'
    )
    assert hooks.mathml(rows, "block").count("<mtr>") == 2
    assert hooks.INLINE_MATH.findall("a $<code>x_1</code>$ b $<code>y</code>$") == ["x_1", "y"]
    assert hooks.NAMED_AFTER_FILE.findall("[model.md](model.md) and [the model](model.md)") == ["model.md"]


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_shows_what_its_code_gave(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata[CHECKSUM] == checksum(notebook), "its code has changed: run make docs"
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type == "error"]
    text = path.read_text(encoding="utf-8")
    assert not ESCAPES.search("".join(output.get("text", "") for output in outputs))
    assert not re.search(r"/root/|/home/|/tmp/|\.venv", text.replace(str(ROOT), "/home/")), "a path of some machine"
    assert len(text) < 1_500_000


@pytest.mark.slow
@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the cells in this process, with what IPython adds to Python replaced; a kernel would load torch again."""
    monkeypatch.chdir(prepare(tmp_path))
    names: dict[str, Any] = {"__name__": "notebook", "run_line": lambda line: main(shlex.split(line))}
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type == "code":
            exec(compile(as_python(cell.source), f"{path.name}, cell {number}", "exec"), names)


def as_python(source: str) -> str:
    """Return a cell's code with ``!ifdd ...`` as a call, and without ``%matplotlib``."""
    source = re.sub(r"^%matplotlib .*$", "", source, flags=re.MULTILINE)
    return re.sub(r"^!ifdd (.*)$", lambda found: f"run_line({found[1]!r})", source, flags=re.MULTILINE)
