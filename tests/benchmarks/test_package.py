"""What ``make dist`` looks for: files that a wheel lacks, Pythons that run."""

import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from benchmarks import package
from benchmarks.package import PackageError, found_pythons, missing_files, named_pythons, supported_versions

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def write_script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_file_that_the_wheel_lacks_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("ifdd/__init__.py", "")
    assert missing_files(tmp_path / "a.whl", ["src/ifdd/__init__.py", "src/ifdd/a.css"]) == ["src/ifdd/a.css"]


def test_a_shim_that_does_not_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_script(tmp_path / "shims" / f"python{VERSION}", "echo not selected >&2; exit 127")
    own = write_script(
        tmp_path / "versions" / f"{VERSION}.9" / "bin" / f"python{VERSION}", f'exec {sys.executable} "$@"'
    )
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert found_pythons(["3.0", VERSION]) == {VERSION: own}
    assert named_pythons([str(own)]) == {VERSION: own}
    with pytest.raises(PackageError, match="does not run"):
        named_pythons([f"python{VERSION}"])


def test_the_supported_pythons_are_those_that_pip_accepts() -> None:
    project = tomllib.loads((package.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [tuple(map(int, version.split("."))) for version in supported_versions()]
    assert versions == [(3, minor) for minor in range(versions[0][1], versions[-1][1] + 1)]
    assert project["requires-python"] == f">=3.{versions[0][1]},<3.{versions[-1][1] + 1}"
