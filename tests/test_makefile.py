"""The Makefile's answers to files that do not exist, before the set-up that takes minutes."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the Makefile, where nothing was set up."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    return subprocess.run(["make", *arguments], cwd=checkout, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "arguments",
    [("demo", "VIDEO"), ("weights", "RIG_DATA"), ("weights", "DETECTOR"), ("--jobs=4", "demo", "VIDEO")],
    ids=" ".join,
)
def test_a_file_that_does_not_exist_is_named_before_the_set_up(checkout: Path, arguments: tuple[str, ...]) -> None:
    *target, name = arguments
    run = make(checkout, *target, f'{name}=it\'s "no".mp4')
    assert run.returncode == 2
    assert f'it\'s "no".mp4 does not exist; correct {name}=' in run.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    "name", ["plain.mp4", "it's.mp4", 'a"b.mp4', "dollar $HOME.mp4", "`ls`.mp4", "rtsp://camera/1"]
)
def test_any_name_reaches_the_command_unchanged(checkout: Path, name: str) -> None:
    if "//" not in name:
        (checkout / name).touch()
    recorder = checkout / ".venv" / "bin" / "ifdd"
    recorder.parent.mkdir(parents=True)
    recorder.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >> arguments.txt\nexit 1\n')
    recorder.chmod(0o755)
    (checkout / ".venv" / ".ready").touch()
    assert make(checkout, "demo", f"VIDEO={name}").returncode == 2
    assert name in (checkout / "arguments.txt").read_text().splitlines()
