"""ICT-FaceKit is downloaded once, converted, checked and cached; anything else is a one-line error."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ifdd.errors import InputError
from ifdd.synth.rendered import assets
from ifdd.synth.rendered.assets import (
    FILE,
    NEUTRAL,
    convert,
    fetch_head_model,
    load_head_model,
    prepare_head_model,
    save_head_model,
)
from ifdd.synth.rigs import make_rig_maker
from tests.helpers.servers import FileHandler, serving_files

FEW = {"IDENTITIES": ("identity000",), "EXPRESSIONS": ("browDown_L", "jawOpen")}


@pytest.fixture
def few(facekit: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Restrict the shapes to the original files that are at hand; return their folder."""
    for name, value in FEW.items():
        monkeypatch.setattr(assets, name, value)
    names = (NEUTRAL, *FEW["IDENTITIES"], *FEW["EXPRESSIONS"])
    monkeypatch.setattr(assets, "HASHES", {name: assets.HASHES[name] for name in names})
    return facekit / "raw"


def test_the_original_files_give_the_converted_values(few: Path, facekit: Path) -> None:
    model = convert(lambda name: few / f"{name}.obj")
    with np.load(facekit / FILE) as expected:
        assert np.array_equal(model.neutral, expected["neutral"])
        assert np.array_equal(model.identity[0], expected["identity"][0])
        row = list(expected["expression_names"]).index("jawOpen")
        assert np.array_equal(model.expression[1], expected["expression"][row])
        assert np.array_equal(model.uv_faces, expected["uv_faces"])
        assert np.array_equal(model.material, expected["material"])
        assert model.material_names == tuple(expected["material_names"])


def test_the_files_are_downloaded_once_and_an_interrupted_download_resumes(few: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(FileHandler):
        def do_GET(self) -> None:  # noqa: N802
            asked.append(self.path)
            if len(asked) == 3:
                self.send_error(503)
            else:
                super().do_GET()

    target = tmp_path / "cache" / FILE
    with serving_files(few, Handler) as address:
        with pytest.raises(InputError, match=r"cannot download .*browDown_L.obj: .*503.*; try again, .*--rig-data"):
            fetch_head_model(target, f"{address}/")
        assert not target.exists()
        fetch_head_model(target, f"{address}/")
    assert asked == [
        "/generic_neutral_mesh.obj",
        "/identity000.obj",
        "/browDown_L.obj",
        "/browDown_L.obj",
        "/jawOpen.obj",
    ]
    assert [path.name for path in target.parent.iterdir()] == [FILE]  # the originals are removed
    load_head_model.cache_clear()
    assert load_head_model(target).expression_names == FEW["EXPRESSIONS"]


def test_what_an_interruption_left_is_removed(few: Path, tmp_path: Path) -> None:
    left = tmp_path / "ict_facekit_light_originals" / "jawOpen.obj.0123.partial"
    left.parent.mkdir()
    left.write_text("v 1.0")
    with serving_files(few) as address:
        fetch_head_model(tmp_path / FILE, f"{address}/")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_of_two_processes_one_downloads_and_the_other_waits(few: Path, tmp_path: Path) -> None:
    asked: list[str] = []
    begun = threading.Event()

    class Handler(FileHandler):
        def do_GET(self) -> None:  # noqa: N802
            asked.append(self.path)
            begun.set()
            super().do_GET()

    with serving_files(few, Handler) as address, ThreadPoolExecutor(2) as both:
        first = both.submit(fetch_head_model, tmp_path / FILE, f"{address}/")
        assert begun.wait(60)
        second = both.submit(fetch_head_model, tmp_path / FILE, f"{address}/")
        first.result()
        second.result()
    assert len(asked) == 4
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_original_files_are_converted_once_for_all_workers(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    load_head_model.cache_clear()
    path = prepare_head_model(few)
    assert path == tmp_path / "cache" / "hub" / "checkpoints" / FILE
    maker = make_rig_maker("rendered", few)
    assert isinstance(maker, partial)
    assert maker.keywords == {"data": path}  # what workers get
    assert np.array_equal(load_head_model(path).expression, load_head_model(few).expression)
    assert prepare_head_model(path) == path
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))  # no cache can be made
    assert prepare_head_model(few) == few
    load_head_model.cache_clear()


def test_a_converted_file_that_cannot_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "hub" / "checkpoints" / FILE
    cached.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    load_head_model.cache_clear()
    with pytest.raises(InputError, match=rf"cannot read .*{FILE}: Is a directory; check the path and its permissions"):
        load_head_model()


def test_a_changed_original_is_refused(few: Path, tmp_path: Path) -> None:
    for path in few.glob("*.obj"):
        shutil.copyfile(path, tmp_path / path.name)
    changed = tmp_path / "jawOpen.obj"
    lines = changed.read_text().splitlines()
    first = next(row for row, line in enumerate(lines) if line.startswith("v "))
    lines[first] = "v 1.0 2.0 3.0"
    changed.write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"jawOpen.obj does not match the hash of ICT-FaceKit at commit da5f95a"):
        convert(lambda name: tmp_path / f"{name}.obj")


@pytest.mark.parametrize("wrong", ["no places", "no material"])
def test_an_original_of_another_tool_is_refused(few: Path, tmp_path: Path, wrong: str) -> None:
    for file in few.glob("*.obj"):
        (tmp_path / file.name).symlink_to(file.resolve())
    path = tmp_path / f"{NEUTRAL}.obj"
    lines = path.read_text().splitlines()
    path.unlink()
    lines = [line for line in lines if not line.startswith("vt ")] if wrong == "no places" else ["usemtl ", *lines]
    path.write_text("\n".join(lines))
    load_head_model.cache_clear()
    with pytest.raises(InputError, match=f"{NEUTRAL}.obj does not match the hash of ICT-FaceKit"):
        load_head_model(tmp_path)


def test_a_changed_converted_file_is_refused(few: Path, tmp_path: Path) -> None:
    model = convert(lambda name: few / f"{name}.obj")
    model.expression[0, 5] += 0.5
    save_head_model(tmp_path / FILE, model)
    load_head_model.cache_clear()
    with pytest.raises(InputError, match=r"does not match the hashes of ICT-FaceKit"):
        load_head_model(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 no archive"])
def test_a_path_without_the_geometry_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "head.npz"
    if content is not None:
        path.write_bytes(content)
    load_head_model.cache_clear()
    with pytest.raises(InputError, match="does not exist" if content is None else "is not a converted ICT-FaceKit"):
        load_head_model(path)


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    load_head_model.cache_clear()
    with pytest.raises(
        InputError, match=r"cannot read .*generic_neutral_mesh.obj.*; give the folder of all 158 OBJ files"
    ):
        load_head_model(tmp_path)
