"""Python, ifdd's dependencies and its extras: versions, and whether they can be imported."""

import importlib
import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from ifdd.diagnosis.finding import Finding

GROUP = "packages"

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)

DEVELOPMENT = "dev"
"""The extra that only the tests need."""

OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
"""Distributions that all install the module cv2, over each other."""

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[^]]*\])?\s*(?P<versions>[^;]*)(?:;\s*(?P<marker>.*))?")
_EXTRA = re.compile(r"extra\s*==\s*[\"'](?P<extra>[\w-]+)[\"']")


class Requirement(NamedTuple):
    """A package that ifdd, or one of its extras, needs."""

    name: str
    versions: str
    """Such as ">=4.11,<5"; empty if any will do."""
    extra: str
    """Extra that needs it; empty for those that are always needed."""


def python() -> Iterator[Finding]:
    """Check the interpreter, and name the version of ifdd and the system."""
    version = platform.python_version()
    supported = OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON
    remedy = "" if supported else "use Python 3.11, 3.12 or 3.13"
    yield Finding(GROUP, "Python", version, "ok" if supported else "note", remedy)
    yield Finding(GROUP, "system", f"{platform.system()} {platform.release()}, {platform.machine()}")
    yield Finding(GROUP, "ifdd", importlib.metadata.version("ifdd"))


def packages() -> Iterator[Finding]:
    """Check every package that ifdd or an extra needs: its version, and that it can be imported."""
    modules = _modules()
    absent: dict[str, list[str]] = {}
    seen: set[str] = set()
    for each in requirements():
        if each.name in seen:
            continue
        version = _version(each.name)
        if version is None and each.extra:
            absent.setdefault(each.extra, []).append(each.name)
            continue
        seen.add(each.name)
        yield _package(each, version, modules.get(_plain(each.name), each.name.replace("-", "_")))
    for extra, names in absent.items():
        remedy = f"pip install 'ifdd[{extra}]', if you need it"
        yield Finding(GROUP, f"[{extra}]", f"not installed: {', '.join(names)}", "note", remedy)
    several = [name for name in OPENCV if _version(name) is not None]
    if len(several) > 1:
        remedy = f"pip uninstall {' '.join(several)}, then pip install '{OPENCV[1]}<5'"
        yield Finding(GROUP, "cv2", f"installed by {', '.join(several)}, over each other", "wrong", remedy)


def requirements() -> list[Requirement]:
    """Return what the installed ifdd requires, without what only its development needs."""
    found = []
    for line in importlib.metadata.requires("ifdd") or ():
        match = _REQUIREMENT.match(line)
        assert match is not None, line
        extra = _EXTRA.search(match["marker"] or "")
        each = Requirement(match["name"], match["versions"].strip(), "" if extra is None else extra["extra"])
        if each.extra != DEVELOPMENT and each.name != "ifdd":  # an extra may contain another one
            found.append(each)
    return found


def fits(version: str, wanted: str) -> bool:
    """Whether a version lies in a range such as ">=4.11,<5".

    >>> from ifdd.diagnosis.software import fits
    >>> fits("4.14.0", ">=4.11,<5"), fits("5.0", ">=4.11,<5"), fits("2.13.0+cpu", ">=2.6")
    (True, False, True)
    """
    tests = {">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, "<": lambda a, b: a < b, ">": lambda a, b: a > b}
    for sign, bound in re.findall(r"(>=|<=|<|>)\s*([\d.]+)", wanted):
        if not tests[sign](_numbers(version), _numbers(bound)):
            return False
    return True


def _package(wanted: Requirement, version: str | None, module: str) -> Finding:
    """Check one package that is installed, or has to be."""
    extra = f"[{wanted.extra}]" if wanted.extra else ""
    install = f"pip install '{wanted.name}{wanted.versions}'"
    if version is None:
        return Finding(GROUP, wanted.name, "not installed", "wrong", install)
    if not fits(version, wanted.versions):
        return Finding(GROUP, wanted.name, f"{version}, needed {wanted.versions}", "wrong", install)
    try:
        importlib.import_module(module)
    except Exception as error:  # a library that is missing in the system, or another version of a dependency
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        again = f"pip install --force-reinstall '{wanted.name}{wanted.versions}'"
        return Finding(GROUP, wanted.name, f"{version}, cannot be imported: {reason}", "wrong", again)
    return Finding(GROUP, wanted.name, f"{version} {extra}".strip())


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _modules() -> dict[str, str]:
    """Return distribution -> the module to import: the one that is spelt like it, or its first public one."""
    found: dict[str, list[str]] = {}
    for module, distributions in importlib.metadata.packages_distributions().items():
        for name in distributions:
            if not module.startswith("_"):
                found.setdefault(_plain(name), []).append(module)
    return {name: name if name in modules else min(modules) for name, modules in found.items()}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a release, without what marks a build or a preview."""
    match = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in match[0].split(".")] if match else [0]
    return tuple([*numbers, 0, 0, 0][:4])
