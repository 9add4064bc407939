"""What docs/security.md promises is held by the tests that it names; some of them are here."""

import ast
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ifdd.__main__ import load
from ifdd.command_line.options import describe
from ifdd.command_line.parser import parse
from ifdd.data.manifest import Manifest
from ifdd.data.packs.writer import write_pack
from ifdd.errors import InputError
from ifdd.files import atomic_folder, exists, expand, write_text
from ifdd.inference import Recognition
from ifdd.inference.batch.part_files import write_part
from ifdd.inference.outputs.write import FORMATS, file_name
from ifdd.inference.parts import Part
from ifdd.reporting.command import report
from tests.helpers.pages import ROOT
from tests.helpers.reports import write_test
from tests.helpers.results import make_model, make_video
from tests.helpers.videos import write_clip_manifest, write_video

PAGE = ROOT / "docs" / "security.md"

UNSAFE: dict[str, tuple[str, bool | None]] = {
    "eval": ("", None),
    "exec": ("", None),
    "os.system": ("", None),
    "os.popen": ("", None),
    "pickle.load": ("", None),
    "pickle.loads": ("", None),
    "pickle.Unpickler": ("", None),
    "joblib.load": ("", None),
    "marshal.loads": ("", None),
    "shelve.open": ("", None),
    "yaml.load": ("", None),
    "yaml.full_load": ("", None),
    "yaml.unsafe_load": ("", None),
    "shutil.unpack_archive": ("", None),
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
}
"""Call -> the keyword and the value with which it is safe; never, if there is none."""

UNSAFE_METHODS = ("extract", "extractall")


def unsafe_calls(source: str) -> Iterator[str]:
    """Yield the calls in a program that read pickles, run text or unpack archives."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        keywords = {each.arg: getattr(each.value, "value", None) for each in node.keywords}
        if name in UNSAFE:
            keyword, safe = UNSAFE[name]
            if not keyword or keywords.get(keyword, "missing") is not safe:
                yield ast.unparse(node)
        if name.rpartition(".")[2] in UNSAFE_METHODS or keywords.get("shell") is True:
            yield ast.unparse(node)


def test_the_source_has_no_unsafe_calls() -> None:
    files = [path for room in ("src", "benchmarks", "docs") for path in (ROOT / room).rglob("*.py")]
    assert len(files) > 200
    assert [f"{path}: {call}" for path in files for call in unsafe_calls(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "call",
    [
        "eval(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "np.load(path)",
        "yaml.load(text, yaml.Loader)",
        "archive.extractall(folder)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_an_unsafe_call_is_found(call: str) -> None:
    assert list(unsafe_calls(f"def f():\n    return {call}")) == [call]


def test_the_page_names_tests_that_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    assert len(named) > 12
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named <= written


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def usual_umask() -> Iterator[None]:
    import os

    before = os.umask(0o022)
    yield
    os.umask(before)


def test_what_shows_faces_is_not_for_others(tmp_path: Path, usual_umask: None) -> None:
    video = write_video(tmp_path / "party.mp4", np.zeros((5, 48, 64, 3), np.uint8))
    recognition = Recognition(make_video(str(video), 0.2, 5), make_model(("happy", "sad")), (), ())
    for form in FORMATS:
        path = tmp_path / file_name("result", form)
        recognition.write(path)
        assert mode(path) == 0o640, form
    assert mode(tmp_path / "result_events.json") == 0o640
    write_part(Part(recognition.video, ()), tmp_path / "part.safetensors")
    assert mode(tmp_path / "part.safetensors") == 0o640
    manifest = write_clip_manifest(tmp_path / "clips", ["happy", "sad"], count=2)
    write_pack(tmp_path / "all.pack", Manifest.read(manifest).samples)
    assert mode(tmp_path / "all.pack" / "00000.zip") == 0o640
    write_test(tmp_path / "run", [("clip_1", 0, 0, 0.9), ("clip_2", 1, 0, 0.6)])
    report([str(tmp_path / "run")], out=tmp_path / "report.html", device="cpu")
    assert mode(tmp_path / "report.html") == 0o640
    assert mode(tmp_path / "run" / "evaluation.json") == 0o644


def test_private_folders_and_strict_umasks(tmp_path: Path, usual_umask: None) -> None:
    import os

    with atomic_folder(tmp_path / "faces", private=True) as folder:
        (folder / "1.jpg").write_bytes(b"face")
    assert mode(tmp_path / "faces") == 0o750
    os.umask(0o077)
    write_text(tmp_path / "a.txt", "text", private=True)
    assert mode(tmp_path / "a.txt") == 0o600


def test_no_thread_sees_another_umask_while_a_file_is_written(
    tmp_path: Path, usual_umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.delattr("os.umask")  # it tells the umask only by changing it
        write_text(tmp_path / "a.txt", "text", private=True)
    assert mode(tmp_path / "a.txt") == 0o640


def test_private_files_stay_private_where_a_disk_does_not_rename(
    tmp_path: Path, usual_umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.replace", refuse)
    write_text(tmp_path / "a.txt", "text", private=True)
    with atomic_folder(tmp_path / "faces", private=True):
        pass
    assert (mode(tmp_path / "a.txt"), mode(tmp_path / "faces")) == (0o640, 0o750)


def parsed(path: Path) -> None:
    parse(describe("train", load("train")), [f"--config={path}"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run: !!python/object/apply:os.system ['touch ran']", "has the tag tag:yaml.org,2002:python/object"),
        ("data:\n  manifest: m.csv\n  classes: !!python/name:os.system", "has the tag"),
        ("data: &d\n  manifest: *d", "its references .* are endless"),
        (
            "\n".join(["a: &a [x, x]", *(f"{n}: &{n} [{', '.join(f'*{p}' for _ in range(9))}]" for p, n in
             zip("abcdefgh", "bcdefghi", strict=True))]) + "\ndata: *i",
            "stand for more than 100,000 values",
        ),
        ("data: " + "[" * 3000, "nested too deeply"),
    ],
)  # fmt: skip
def test_yaml_builds_no_objects_and_its_references_do_not_multiply(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        parsed(tmp_path / "recipe.yaml")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("frames", "9" * 5000, "frames is '9999.*; it must be an integer"),
        ("fold", "9" * 20, "fold is"),
        ("durations", "40*99999999", "more than 10,000,000 frames"),
        ("durations", "40*" + "9" * 5000, "write milliseconds"),
        ("votes", "happy:" + "9" * 5000, "votes are"),
        ("path", "x" * 5000, "no such file or folder"),
        ("path", "a\x1fb", "no such file or folder"),
    ],
)
def test_numbers_in_tables_are_bounded(column: str, text: str, message: str, tmp_path: Path) -> None:
    row = {"clip_id": "a", "path": "a.mp4", "frames": "2", "label": "happy", "subset": "test", "fold": "1"}
    row |= {"subject": "", "votes": "", "fps": "25", "durations": "", column: text}
    (tmp_path / "a.mp4").touch()
    (tmp_path / "manifest.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        Manifest.read(tmp_path / "manifest.csv")


@pytest.mark.parametrize("text", ["a\0b", "x" * 256, "a/" * 2100, "half \ud800"])
def test_a_path_that_no_disk_takes_is_named(text: str) -> None:
    assert not exists(Path(text))
    with pytest.raises(InputError, match="is not a path"):
        expand(text)
