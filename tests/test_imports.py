"""The imports between rooms, read from the source, follow the arrows of the design."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docs.imports import LEAVES, circle, module_imports, modules, room
from tests.helpers.processes import run

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"

ARROWS = {
    "video": set[str](),
    "faces": {"video"},
    "model": set[str](),
    "data": {"annotations", "faces", "video"},
    "synth": {"data", "video"},
    "evaluation": {"data", "model"},
    # a study renders its clips, and reads its variants as the command line does
    "export": {"evaluation", "data", "model", "synth"},  # it compares on drawn clips, and scores what it quantises
    "training": {"evaluation", "data", "model", "synth", "command_line"},
    "inference": {"faces", "video", "model"},
    "sharing": {"model"},
    "reporting": {"explanation", "evaluation", "data", "model"},  # above both: it shows scores and heat maps
    "explanation": {"model", "data", "evaluation", "inference", "faces", "video"},  # it reads videos as inference does
    "annotations": set[str](),  # what people coded, for training and for comparing
    "analysis": {"annotations", "data", "inference", "video"},  # what comes after recognition: tables, agreement
    "app": {"analysis", "inference", "faces", "video", "model"},  # the page in the browser
    "diagnosis": {"inference", "synth", "faces", "model", "video"},  # it tries each on a built-in clip
    "command_line": set[str](),
    "": {"model", "inference", "explanation"},  # the package itself: its public names
    "__main__": {
        "analysis",
        "app",
        "command_line",
        "data",
        "diagnosis",
        "evaluation",
        "explanation",
        "export",
        "inference",
        "model",
        "reporting",
        "sharing",
        "synth",
        "training",
    },
}
"""Room -> the other rooms that it may import."""

EXTRA_MODULES = ("ifdd.app.server", "ifdd.training", "ifdd.data.transforms", "ifdd.explanation", "ifdd.synth.rendered")
"""Modules, with those below them, that may need an extra."""


def forbidden_arrows(source: Path) -> list[str]:
    """Return every import that the arrows do not allow, including imports inside functions."""
    found = []
    for name, targets in module_imports(source).items():
        allowed = LEAVES | ({room(name)} if room(name) else set()) | ARROWS.get(room(name), set())
        found += [f"{name} -> {target}" for target in sorted(targets) if room(target) not in allowed]
    return found


def distributions_of_extras() -> set[str]:
    """Return the names of the packages that only extras install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted: set[str] = {
        canonicalize_name(Requirement(line).name)
        for lines in project["optional-dependencies"].values()
        for line in lines
    }
    return wanted - {canonicalize_name(Requirement(line).name) for line in project["dependencies"]} - {"ifdd"}


def modules_of(distributions: set[str]) -> list[str]:
    """Return the import names of installed packages."""
    return sorted(
        name
        for name, origins in packages_distributions().items()
        if {canonicalize_name(origin) for origin in origins} & distributions
    )


def write_package(source: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = source / "ifdd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return source


def test_rooms_import_along_the_arrows() -> None:
    assert forbidden_arrows(SOURCE) == []
    rooms = {room(name) for name in modules(SOURCE)}
    assert rooms <= ARROWS.keys() | LEAVES, "a new room needs its arrows here and in the design"


def test_there_are_no_circular_imports() -> None:
    assert circle(SOURCE) == []


def test_a_wrong_arrow_is_found(tmp_path: Path) -> None:
    files = {
        "errors.py": "from ifdd.data import video",
        "data/__init__.py": "",
        "data/video.py": "import torch\nfrom ifdd.errors import X\nfrom ifdd.data import labels",
        "data/labels.py": "def f():\n    import ifdd.model.head",
        "model/head.py": "from ifdd import data",
        "training/train.py": "from ifdd.evaluation import evaluate\nfrom ifdd.inference.recognize import Y",
    }
    assert forbidden_arrows(write_package(tmp_path, files)) == [
        "ifdd.data.labels -> ifdd.model.head",
        "ifdd.errors -> ifdd.data.video",
        "ifdd.model.head -> ifdd.data",
        "ifdd.training.train -> ifdd.inference.recognize",
    ]


@pytest.mark.parametrize(
    "back",
    [
        "import ifdd.data.a",
        "def f():\n    import ifdd.data.a",
        "class C:\n    def f(self):\n        from ifdd.data.a import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ifdd.data import a",
    ],
)
def test_a_circle_is_found(tmp_path: Path, back: str) -> None:
    files = {"__init__.py": "", "data/__init__.py": "", "data/a.py": "from ifdd.data import b", "data/c.py": ""}
    files["data/b.py"] = "from ifdd.data.c import x"
    assert circle(write_package(tmp_path, files)) == []
    files["data/c.py"] = back
    assert set(circle(write_package(tmp_path, files))) == {"ifdd.data.a", "ifdd.data.b", "ifdd.data.c"}


def test_a_relative_import_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ifdd\.data\.a has a relative import"):
        circle(write_package(tmp_path, {"data/__init__.py": "", "data/a.py": "from . import b"}))


def test_every_module_imports_with_the_base_dependencies_alone() -> None:
    names = [
        name
        for name in modules(SOURCE)
        if not any(name == extra or name.startswith(f"{extra}.") for extra in EXTRA_MODULES)
    ]
    absent = distributions_of_extras()
    blocked = modules_of(absent)
    assert {"kornia", "lightning"} <= set(blocked)
    script = f"""
import importlib, sys
from importlib.metadata import Distribution, PackageNotFoundError
from packaging.utils import canonicalize_name

class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in {blocked!r} else self.finder.find_spec(name, path, target)
find = Distribution.from_name.__func__
def from_name(cls, name):
    if canonicalize_name(name) in {absent!r}:
        raise PackageNotFoundError(name)
    return find(cls, name)
Distribution.from_name = classmethod(from_name)  # some libraries check whether another one is installed
sys.meta_path[:] = map(Without, sys.meta_path)
for name in {names!r}:
    importlib.import_module(name)
"""
    run([sys.executable, "-c", script])


@pytest.mark.slow
@pytest.mark.parametrize("module", ["ifdd", "ifdd.__main__", "ifdd.inference.recognize", "ifdd.evaluation.evaluate"])
def test_only_training_imports_the_training_engine(module: str) -> None:
    script = f"import sys, {module}; print(sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = run([sys.executable, "-c", script])
    loaded = set(ast.literal_eval(done.stdout))
    assert "ifdd" in loaded
    assert loaded.isdisjoint({"lightning", "pytorch_lightning", "kornia", "tensorboard"})
