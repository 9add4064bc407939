"""Crafted, damaged and oddly named .pt2 files: what torch would run of them is refused, in one line."""

import io
import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._export.serde.schema import SCHEMA_VERSION
from torch._export.serde.serialize import serialize
from torch.torch_version import TorchVersion

from ifdd.errors import InputError
from ifdd.model import load_model
from ifdd.model.engines.pt2_file import check_torch
from tests.export.test_export import fails

Record = tuple[str, bytes]


class Code:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def pickled(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def records_of(path: Path) -> list[Record]:
    with zipfile.ZipFile(path) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def write(path: Path, records: list[Record], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for record in records:
            archive.writestr(*record)
    return path


def in_the_layout_of_torch_2_7(exported: Path, code: bytes) -> list[Record]:
    """The records of a program as torch 2.7 wrote them, whose weights are a pickle that torch reads in any case."""
    program = torch.export.load(exported)
    program.example_inputs = None
    parts = serialize(program)
    (document,) = (content for name, content in records_of(exported) if name.endswith("/extra/ifdd.json"))
    return [
        ("version", ".".join(map(str, SCHEMA_VERSION)).encode()),
        ("serialized_exported_program.json", parts.exported_program),
        ("serialized_state_dict.pt", code),
        ("serialized_constants.pt", parts.constants),
        ("serialized_example_inputs.pt", parts.example_inputs),
        ("x/extra/ifdd.json", document),
    ]


def with_two_configurations(exported: Path, code: bytes, harmless_first: bool, change: Callable[[str], str]) -> Any:
    """The records of a program with one more configuration of its weights, by which one of them is a pickle."""
    records = records_of(exported)
    place = next(index for index, (name, _) in enumerate(records) if name.endswith("weights_config.json"))
    name, content = records[place]
    config = json.loads(content)
    next(iter(config["config"].values())).update(use_pickle=True, path_name="weight_0")
    crafted = (change(name), json.dumps(config).encode())
    records = [(each, code if each.endswith("/weight_0") else content) for each, content in records]
    records[place : place + 1] = [(name, content), crafted] if harmless_first else [crafted, (name, content)]
    return records


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "ran"


def test_a_program_in_the_layout_of_an_earlier_torch_is_refused(
    exported: dict[str, Path], tmp_path: Path, marker: Path
) -> None:
    records = in_the_layout_of_torch_2_7(exported["pt2"], pickled({"x": Code(marker)}))
    path = write(tmp_path / "evil.pt2", records)
    with pytest.raises(InputError, match="holds version, which 'ifdd export' does not write and which could run code"):
        load_model(path).engine("cpu")
    assert not marker.exists()


def test_an_earlier_torch_is_refused_before_anything_is_done(
    exported: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in ("2.8.0", "2.10.1+cpu"):
        monkeypatch.setattr(torch, "__version__", TorchVersion(version))
        check_torch()
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.7.1+cpu"))
    with pytest.raises(InputError, match=r"need torch 2\.8 or later, and 2\.7\.1\+cpu is installed; update torch"):
        load_model(exported["pt2"]).engine("cpu")
    assert "need torch 2.8 or later" in fails(capsys, "export", tmp_path / "no.safetensors", tmp_path / "a.pt2")


@pytest.mark.parametrize("harmless_first", [True, False])
@pytest.mark.parametrize("change", [str, str.swapcase])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_second_record_of_a_name_is_refused(
    exported: dict[str, Path], tmp_path: Path, marker: Path, harmless_first: bool, change: Callable[[str], str]
) -> None:
    records = with_two_configurations(exported["pt2"], pickled(Code(marker)), harmless_first, change)
    path = write(tmp_path / "evil.pt2", records)
    with pytest.raises(InputError, match="does not write and which could run code"):
        load_model(path).engine("cpu")
    assert not marker.exists()


@pytest.mark.parametrize(
    "name",
    ["data/weights/model.pt", "data/constants/model.pt", "data/sample_inputs/model.pt", "data/constants/opaque_obj_0"],
)
def test_other_records_that_torch_unpickles_are_refused(
    exported: dict[str, Path], tmp_path: Path, marker: Path, name: str
) -> None:
    records = [(each, content) for each, content in records_of(exported["pt2"]) if not each.endswith(name)]
    root = records[0][0].partition("/")[0]
    path = write(tmp_path / "evil.pt2", [*records, (f"{root}/{name}", pickled({"x": Code(marker)}))])
    with pytest.raises(InputError, match="could run code"):
        load_model(path).engine("cpu")
    assert not marker.exists()


def test_records_outside_of_the_folder_are_refused(exported: dict[str, Path], tmp_path: Path) -> None:
    path = write(tmp_path / "evil.pt2", [*records_of(exported["pt2"]), ("other/version", b"3\n")])
    with pytest.raises(InputError, match="holds other/version, which"):
        load_model(path)


def cut_within(content: bytearray) -> None:
    """Spoil compressed bytes."""
    content[200:300] = bytes(100)


def encrypt(content: bytearray) -> None:
    """Set the flag of encryption in every header."""
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(signature, place + 4)


@pytest.mark.parametrize("damage", [cut_within, encrypt])
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_damaged_or_encrypted_archive(
    exported: dict[str, Path], tmp_path: Path, damage: Callable[[bytearray], None], compression: int
) -> None:
    path = write(tmp_path / "a.pt2", records_of(exported["pt2"]), compression)
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot read .*a\.pt2 as a program of torch\.export: "):
        load_model(path)


def test_records_larger_than_the_file_are_not_unpacked(exported: dict[str, Path], tmp_path: Path) -> None:
    records = [*records_of(exported["pt2"]), ("final/data/weights/weight_999", bytes(10_000_000))]
    path = write(tmp_path / "a.pt2", records, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="its records are larger than the file"):
        load_model(path)


def test_a_damaged_program_is_one_line(
    exported: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    records = [
        (name, b"{}" if name.endswith("models/model.json") else each) for name, each in records_of(exported["pt2"])
    ]
    with pytest.raises(InputError, match=r"cannot load .*a\.pt2"):
        load_model(write(tmp_path / "a.pt2", records)).engine("cpu")
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_the_suffix_may_be_in_capitals(
    exported: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "A.PT2", records_of(exported["pt2"]))
    with caplog.at_level(logging.WARNING):
        engine = load_model(path).engine("cpu")
    assert engine(torch.rand(1, 3, 8, 32, 32)).logits.shape == (1, 7)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
