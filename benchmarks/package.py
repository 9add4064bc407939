"""Build the package and use it as somebody who installs it: dist/, results/package.json.

Wheel and sdist are built from the checkout and checked: by twine, by check-wheel-contents, and that every file of src/
that git knows is in the wheel. Then the wheel, without extras, and the constraints' torch are installed into a fresh
environment of each supported Python on this machine. There, ``ifdd`` recognises docs/images/rendered_story.mp4, prints
its version and a completion script (which loads every command), and the Python blocks of README.md run.

pip chooses torch from the index that it is configured for: with PyPI's, on Linux, that is the build for CUDA, whose
libraries are measured, too. pip's cache is not used.

    make dist                                              # Pythons on the PATH and those of pyenv
    make dist PYTHONS='/opt/a/bin/python3.11 python3.13'   # others; PYTHONS=none only builds and checks
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARGEST_WHEEL = 20e6
SOURCES = ("src", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")
"""What the package is built from."""
VIDEO = ROOT / "docs" / "images" / "rendered_story.mp4"
CUDA = ("nvidia", "triton", "cuda*")
"""Folders of site-packages that only the build of torch for CUDA brings."""


class PackageError(Exception):
    """The package is not fit for release."""


@dataclass(frozen=True)
class Installation:
    """A fresh environment of one Python, and what was done there."""

    python: str
    torch: str
    install_seconds: float
    """Of pip, for torch and the wheel."""
    first_result_seconds: float
    """From the start of pip to the written timeline of the first video."""
    environment_bytes: int
    torch_bytes: int
    cuda_bytes: int
    """Libraries of CUDA and Triton; 0 for a build of torch for CPUs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="*", metavar="PATH", help="Pythons to install into, or none")
    parser.add_argument("--out", type=Path, default=Path("results/package.json"))
    options = parser.parse_args()
    try:
        wheel, sdist = build(ROOT / "dist")
        check(wheel, sdist)
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {sdist.name}: {sdist.stat().st_size / 1e6:.1f} MB")
        if options.python == ["none"]:
            return
        pythons = named_pythons(options.python) if options.python else found_pythons(supported_versions())
        missing = [version for version in supported_versions() if version not in pythons]
        print(f"Pythons: {', '.join(pythons)}" + (f"; not found: {', '.join(missing)}" if missing else ""), flush=True)
        installations = []
        for python in pythons.values():
            installations.append(use(python, wheel, torch_requirement()))
            print(json.dumps(asdict(installations[-1])), flush=True)
    except PackageError as error:
        sys.exit(f"package.py: {error}")
    report = {
        "command": "make dist",
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "processor": platform.machine()},
        "wheel_bytes": wheel.stat().st_size,
        "sdist_bytes": sdist.stat().st_size,
        "missing_pythons": missing,
        "installations": [asdict(installation) for installation in installations],
    }
    options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def build(folder: Path) -> tuple[Path, Path]:
    """Build sdist and, from it, the wheel; return the paths of wheel and sdist.

    They are built in a copy of the files that git knows: setuptools takes files from earlier builds, too.
    """
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        for file in known_files(*SOURCES):
            copy = Path(name) / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, copy)
        run([sys.executable, "-m", "build", "--outdir", folder, name])
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def check(wheel: Path, sdist: Path) -> None:
    """Check both files.

    Raises:
        PackageError: a check fails, the wheel is too large, or it lacks a file.
    """
    run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist])
    run([sys.executable, "-m", "check_wheel_contents", wheel])
    if wheel.stat().st_size > LARGEST_WHEEL:
        raise PackageError(f"{wheel.name} has {wheel.stat().st_size} bytes; at most {LARGEST_WHEEL:.0f} are allowed")
    if lost := missing_files(wheel, known_files("src")):
        raise PackageError(f"{wheel.name} lacks {', '.join(lost)}; see package-data in pyproject.toml")


def known_files(*paths: str) -> list[str]:
    """Return the files below some paths that git knows and that exist."""
    listed = run(["git", "-C", ROOT, "ls-files", "-z", *paths]).split("\0")
    return [name for name in listed if name and (ROOT / name).exists()]


def missing_files(wheel: Path, known: Sequence[str]) -> list[str]:
    """Return the files of src/ that are not in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    return [name for name in known if name.removeprefix("src/") not in held]


def supported_versions() -> list[str]:
    """Return the Pythons that pyproject.toml names, oldest first: "3.11", ..."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return re.findall(r"Python :: (3\.\d+)$", "\n".join(project["classifiers"]), re.MULTILINE)


def torch_requirement() -> str:
    """Return the exact torch of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch=="))


def found_pythons(versions: Sequence[str]) -> dict[str, Path]:
    """Return version -> interpreter, of those that run and can make environments."""
    return {version: path for version in versions if (path := next(filter(works, candidates(version)), None))}


def named_pythons(paths: Sequence[str]) -> dict[str, Path]:
    """Return version -> interpreter of those that the user names.

    Raises:
        PackageError: one does not run.
    """
    named = {}
    for text in paths:
        path = Path(shutil.which(text) or text)
        if not works(path):
            raise PackageError(f"{text} does not run, or lacks the module venv; correct PYTHONS=")
        named[run([path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()] = path
    return named


def candidates(version: str) -> Iterator[Path]:
    """Yield where an interpreter of a version may be."""
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)


def works(python: Path) -> bool:
    """Return whether an interpreter runs; a shim of pyenv may exist for versions that are not selected."""
    try:
        done = subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def use(python: Path, wheel: Path, torch: str) -> Installation:
    """Install the wheel into a fresh environment and use it there.

    Raises:
        PackageError: something fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run([python, "-m", "venv", folder / "env"])
        own = folder / "env" / "bin"
        start = time.perf_counter()
        run([own / "python", "-m", "pip", "install", "--quiet", "--no-cache-dir", torch, wheel], cwd=folder)
        installed = time.perf_counter()
        shutil.copy(VIDEO, folder / "video.mp4")
        run([own / "ifdd", "recognize", "video.mp4", "--out", "first"], cwd=folder)
        finished = time.perf_counter()
        if not (folder / "first" / "video.csv").read_text(encoding="utf-8").count("\n") > 1:
            raise PackageError("ifdd recognize found nobody in the example video")
        run([own / "python", "-m", "pip", "check"], cwd=folder)
        version = run([own / "ifdd", "--version"], cwd=folder)
        if run([own / "python", "-m", "ifdd", "--version"], cwd=folder) != version:
            raise PackageError("ifdd and python -m ifdd differ")
        run([own / "ifdd", "completion", "bash"], cwd=folder)
        run([own / "python", "-c", "\n".join(python_blocks(ROOT / "README.md"))], cwd=folder)
        about = "import sys, torch; print(sys.version.split()[0], torch.__version__)"
        packages = next((folder / "env" / "lib").glob("python*/site-packages"))
        python_version, torch_version = run([own / "python", "-c", about], cwd=folder).split()
        return Installation(
            python=python_version,
            torch=torch_version,
            install_seconds=round(installed - start, 1),
            first_result_seconds=round(finished - start, 1),
            environment_bytes=size_of(folder / "env"),
            torch_bytes=size_of(packages / "torch"),
            cuda_bytes=sum(size_of(found) for pattern in CUDA for found in packages.glob(pattern)),
        )


def python_blocks(page: Path) -> list[str]:
    """Return the Python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())


def run(command: Sequence[str | Path], cwd: Path | None = None) -> str:
    """Run a command and return its output; neither the checkout nor the caller's environment can be imported.

    Raises:
        PackageError: it fails.
    """
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PackageError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
