"""Output files appear whole or not at all, and errors name a path that is not writable."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from ifdd.errors import InputError
from ifdd.files import PARTIAL, atomic_folder, atomic_path, write_text


def test_a_failed_block_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    write_text(target, "before")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text(f"half {1 / 0}")
    assert target.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize(("write", "makes"), [(atomic_path, "touch"), (atomic_folder, "mkdir")])
def test_an_interruption_right_after_creation_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], AbstractContextManager[Path]],
    makes: str,
) -> None:
    usual = getattr(Path, makes)

    def make_and_interrupt(path: Path, *words: Any, **options: Any) -> None:
        usual(path, *words, **options)
        if path.name.startswith(PARTIAL):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, makes, make_and_interrupt)
    with pytest.raises(KeyboardInterrupt), write(tmp_path / "out"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_path_that_is_not_writable_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file" / "below.txt", Path("/proc/ifdd.txt")):
        with pytest.raises(InputError, match=f"cannot write {target}: .*; free space or choose another folder"):
            write_text(target, "text")


def test_errors_about_other_files_keep_their_type(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out.txt"):
        (tmp_path / "input.txt").read_text()
