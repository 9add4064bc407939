"""Names of files fit the disk and the terminal."""

from pathlib import Path
from typing import Any

import pytest

from ifdd.data.manifest import Sample
from ifdd.data.preparation.faces import _refuse_one_folder_for_two
from ifdd.names import Disk, printable, same_file


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lächeln 01\u202f\u3000東京 👩\u200d👧.mp4", "lächeln 01\u202f\u3000東京 👩\u200d👧.mp4"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[31m\x07\x9b", r"\x1b[31m\x07\x9b"),
        ("gpj\u202egnp\u2066", r"gpj\u202egnp\u2066"),
        ("caf\udce9", r"caf\xe9"),
        ("\ud83d\U000e0001", r"\ud83d\U000e0001"),
    ],
)
def test_what_a_terminal_obeys_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown
    assert printable(f"{text}\n", lines=True).endswith("\n")
    shown.encode("utf-8")


@pytest.mark.parametrize("letter", ["a", "ü", "e\u0301", "東", "👩", "\udce9"])
@pytest.mark.parametrize("longest", [143, 255])
def test_long_names_are_cut_between_characters(letter: str, longest: int) -> None:
    names = [f"deep/{letter * 300}{number}" for number in range(2)]
    fitted = [Disk(longest).fit(name) for name in names]
    assert len(set(fitted)) == 2
    for name in fitted:
        part = name.removeprefix("deep/")
        assert len(part.encode("utf-8", "surrogatepass")) <= longest - len(".statistics.csv")
        stem, _, mark = part.partition("~")
        assert len(mark) == 8
        assert stem == letter * (len(stem) // len(letter))  # no accent is lost
        assert Disk(longest).fit(name) == name


def test_a_disk_that_refuses_names_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    assert Disk.of(tmp_path / "there" / "not yet") == Disk()
    usual = Path.touch

    def touch(path: Path, *words: Any, **options: Any) -> None:
        if set(path.name) & set('<>:"|?*\\') or not path.name.isprintable():
            raise OSError(22, "Invalid argument", str(path))
        usual(path, *words, **options)

    monkeypatch.setattr(Path, "touch", touch)
    disk = Disk.of(tmp_path / "there")
    assert disk == Disk(takes_reserved=False, takes_bytes=False)
    assert disk.fit("a: b?/CON/nul.x/tail. ./caf\udce9") == "a_ b_/_CON/_nul.x/tail/caf_"
    assert disk.fit("console/com1x/./..") == "console/com1x/_/_"
    assert not list((tmp_path / "there").iterdir())


def test_names_that_are_one_file_on_some_disk_are_equal() -> None:
    for one, other in (("A", "a"), ("\u00e9", "e\u0301"), ("\u00c9", "e\u0301"), ("deep/\u0130", "DEEP/i\u0307")):
        assert same_file(one) == same_file(other)
    assert same_file("a") != same_file("b")


def test_a_disk_that_folds_names_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Disk.of(tmp_path).folds
    usual = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: usual(path.with_name(path.name.lower())))
    assert Disk.of(tmp_path).folds
    clips = [Sample(name, tmp_path / name, 20, "happy", "train") for name in ("happy/A", "happy/a")]
    with pytest.raises(ValueError, match="clips happy/A and happy/a would be one folder on the disk of "):
        _refuse_one_folder_for_two(clips, tmp_path)
    _refuse_one_folder_for_two([clips[0], clips[0]], tmp_path)  # a clip of two folds
