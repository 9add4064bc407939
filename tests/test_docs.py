"""The pages are built from the code and the results; their examples run and their links exist."""

import functools
import importlib
import re
import runpy
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from docs import build
from docs.build import PageError, outdated
from docs.imports import room_arrows
from docs.make_architecture_figure import draw
from ifdd import __main__ as program
from ifdd.data.manifest import Sample, write_manifest
from ifdd.model import BACKBONES, create_model, save_checkpoint
from ifdd.records import CheckpointRecord
from ifdd.synth import PRESETS, SynthConfig, render_clip
from tests.helpers.pages import PAGES, ROOT, anchors, blocks, inline_code, prose
from tests.helpers.videos import write_frame_folder, write_video

CLASSES = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]


def test_the_pages_are_up_to_date() -> None:
    assert list(outdated(ROOT)) == [], "run 'make docs'"


def test_a_page_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "BLOCKS", {"list": lambda *items: "\n".join(items)})
    monkeypatch.setattr(build, "FIGURES", {"score": lambda: "85 %", "score of": lambda who: f"85 % of {who}"})
    page = "<!-- generated: list a b -->\n<!-- end -->\nIt is <!-- figure: score of us -->3<!-- end -->.\n"
    built, changed = build.build(page)
    block, line = built.split("\nIt is ")
    assert block == "<!-- generated: list a b -->\n\na\nb\n\n<!-- end -->"
    assert line == "<!-- figure: score of us -->85 % of us<!-- end -->.\n"
    assert changed == ["generated list a b", "figure score of us"]
    assert build.build(built) == (built, [])


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("<!-- generated: nothing -->\n<!-- end -->", "no generated 'nothing'"),
        ("a <!-- figure: score -->1", "not closed"),
        ("a <!-- figure: score -->1 <!-- figure: score -->1<!-- end -->", "has no end"),
        ("a\n  <!-- figure: score -->1<!-- end -->", "begins a line"),
        ("a <!-- figure:\nscore -->1<!-- end -->", "not closed, or broken"),
    ],
)
def test_a_wrong_mark_is_named(monkeypatch: pytest.MonkeyPatch, page: str, message: str) -> None:
    monkeypatch.setattr(build, "FIGURES", {"score": lambda: "85 %"})
    with pytest.raises(PageError, match=message):
        build.build(page)


def test_the_check_names_page_and_mark(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(build, "outdated", lambda root, write: iter([] if write else ["docs/a.md: figure score"]))
    monkeypatch.setattr("sys.argv", ["build.py", "--check"])
    assert build.main() == 1
    assert "docs/a.md: figure score is out of date" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["build.py"])
    assert build.main() == 0


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_and_pictures_exist(page: Path) -> None:
    for link in re.findall(r"\]\(((?!http)[^)\s]+)\)", prose(page)):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
        if target.suffix in (".png", ".jpg"):
            assert 10_000 < target.stat().st_size < 1_000_000, link


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_and_names_exist(page: Path) -> None:
    for word in inline_code(page):
        if re.fullmatch(r"(benchmarks|configs|docs|results|src|tests)/[\w/.]+", word):
            assert (ROOT / word).exists(), word
        if re.fullmatch(r"ifdd(\.\w+)+", word) and not word.endswith(".py"):
            assert found(word), word


def found(name: str) -> bool:
    """Return whether a dotted name leads to a module, a function or an attribute."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            owner = getattr(owner, attribute, None)
        return owner is not None
    return False


def commands() -> Iterator[tuple[str, str]]:
    """Yield page and command of every ``ifdd`` command in a block or a sentence."""
    for page, name in zip(PAGES, NAMES, strict=True):
        lines = [line for block in blocks(page, "") for line in block.splitlines()] + inline_code(page)
        lines = [re.sub(r"^python mine\.py ", "ifdd ", line.partition("  #")[0].strip()) for line in lines]
        yield from ((name, line) for line in dict.fromkeys(lines) if re.match(r"ifdd [a-z]+ \S", line))


@pytest.mark.parametrize(("page", "line"), list(commands()), ids=lambda value: value)
def test_every_command_is_parsed(page: str, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name, *words = shlex.split(line)[1:]
    module, _, function_name = program.COMMANDS[name][0].partition(":")
    calls = []

    @functools.wraps(getattr(importlib.import_module(module), function_name))
    def note(**options: object) -> None:
        calls.append(options)

    monkeypatch.setattr(f"{module}.{function_name}", note)
    monkeypatch.chdir(ROOT)
    program.run_command(name, words)
    assert len(calls) == 1
    out = calls[0].get("out")
    if isinstance(out, Path) and re.search("[a-z]", str(out)):
        assert is_ignored(out), f"{page}: {out} is not in .gitignore"


def is_ignored(path: Path) -> bool:
    """Return whether git ignores the file, or what lies in the folder."""
    git = subprocess.run(["git", "check-ignore", "--quiet", str(path), f"{path}/x"], cwd=ROOT, check=False)
    return git.returncode in (0, 128)  # 128: not a checkout of git


def test_every_option_in_a_sentence_exists() -> None:
    reference = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    known = {"--config", *re.findall(r"^\| `(--[\w.-]+)` \|", reference, re.MULTILINE)}
    for page in PAGES:
        for word in inline_code(page):
            name = word.split()[0].replace("--no-", "--")
            if name.startswith("--") and name != "--print-config":
                group = name.rpartition(".")[0]
                is_group = name.endswith(".*") and any(one.startswith(f"{group}.") for one in known)
                assert name in known or group in known or is_group, f"{page.name}: {word}"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A folder with the files that the examples read; yields the names that they use without defining them."""
    monkeypatch.chdir(tmp_path)
    preset = PRESETS["easy"]
    clip = render_clip(SynthConfig(preset.behaviour, preset.scene, size=160, frames=20), seed=1, index=0)
    frames = np.pad(clip.frames, ((0, 0), (60, 60), (60, 60), (0, 0)), mode="edge")
    for name in ("video.mp4", "party.mp4"):
        write_video(tmp_path / name, frames)
    save_checkpoint(tmp_path / "best.safetensors", create_model("ifdd_tiny"), CLASSES, 1.6, CheckpointRecord())
    folder = write_frame_folder(tmp_path / "data" / "dfew" / "00001", frames[:3])
    sample = Sample("00001", folder, 3, "happy", "test", fold=1)
    write_manifest(tmp_path / "data" / "dfew" / "manifest.csv", [sample])
    yield {"__name__": "page", "frames": [(frame, place / 10) for place, frame in enumerate(frames)]}
    BACKBONES.pop("mine", None)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path, desk: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), desk)


def test_the_page_lists_every_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/install.md").read_text().split("## Extras")[1], re.MULTILINE)
    assert set(listed) == set(extras) - {"dev", "dist", "docs"}


def test_the_picture_shows_the_imports() -> None:
    picture = (ROOT / "docs" / "images" / "architecture.svg").read_text(encoding="utf-8")
    shown: dict[str, set[str]] = {}
    for name, box in re.findall(r'<g id="(\w+)">(.*?)</g>', picture, re.DOTALL):
        also = re.search(r">also imports ([^<]+)<", box)
        shown[name] = set(also[1].split(", ")) if also else set()
    assert shown.pop("leaves") == set()
    for name, target in re.findall(r'<g id="(\w+)-imports-(\w+)">', picture):
        assert target not in shown[name]
        shown[name].add(target)
    assert shown == room_arrows(ROOT / "src")


def test_the_picture_follows_the_imports(tmp_path: Path) -> None:
    files = {
        "video/a.py": "",
        "faces/a.py": "from ifdd.video import a",
        "data/a.py": "import ifdd.faces.a, ifdd.video.a",
    }
    for name, text in files.items():
        path = tmp_path / "ifdd" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    picture = draw(tmp_path)
    assert re.findall(r'<g id="(\w+-imports-\w+)">', picture) == ["faces-imports-video", "data-imports-faces"]
    assert "also imports video" in picture
    assert picture == draw(tmp_path)


def test_the_command_draws_the_model_figure(tmp_path: Path) -> None:
    shown = cv2.imread(str(ROOT / "docs" / "images" / "model.png"))
    runpy.run_path(str(ROOT / "docs" / "make_model_figure.py"))["main"](tmp_path / "model.png")
    made = cv2.imread(str(tmp_path / "model.png"))
    assert shown is not None
    assert made is not None
    assert made.shape == shown.shape
    assert cv2.absdiff(made, shown).mean() < 2  # of 255: the page shows the output of the command


def test_ablations_that_the_page_calls_identical_are_identical() -> None:
    configs = [create_model("ifdd_tiny", ablation=f"receptive_field_{name}").config for name in ("2", "t4")]
    assert configs == [create_model("ifdd_tiny").config] * 2


def test_the_citation_matches_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()  # required by the schema
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    paper = citation["preferred-citation"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert [author["family-names"] for author in paper["authors"]] == ["Wang", "Chai"]
    assert "arXiv:2412.13168" in [identifier["value"] for identifier in paper["identifiers"]]
