"""Who imports whom in the package, read from its source.

Every import counts: at the top of a file, inside a function or a class, and under ``if TYPE_CHECKING``.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

LEAVES = {
    "allocator",
    "clusters",
    "console",
    "errors",
    "file_kinds",
    "files",
    "folders",
    "limits",
    "names",
    "onnx_sessions",
    "pages",
    "parquet",
    "processes",
    "records",
    "remote",
    "signals",
    "tables",
}
"""Modules that every room may import, and that import nothing of ifdd but each other."""


def modules(source: Path) -> dict[str, Path]:
    """Return module name -> file of everything in the package below ``source``."""
    found = {}
    for file in sorted((source / "ifdd").rglob("*.py")):
        parts = file.relative_to(source).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def room(module: str) -> str:
    """Return the room, or the module directly in the package, that a module belongs to; "" for the package itself."""
    return module.split(".")[1] if "." in module else ""


def module_imports(source: Path) -> dict[str, set[str]]:
    """Return module -> the other modules of ifdd that it imports.

    Raises:
        ValueError: a module has a relative import.
    """
    files = modules(source)
    return {name: set(_imports(name, files)) - {name} for name in files}


def room_arrows(source: Path) -> dict[str, set[str]]:
    """Return room -> the other rooms that it imports; the leaves, the package itself and ``__main__`` left out."""
    arrows: dict[str, set[str]] = {}
    for name, targets in module_imports(source).items():
        if room(name) not in LEAVES | {"", "__main__"}:
            reached = {room(target) for target in targets} - LEAVES - {room(name), ""}
            arrows.setdefault(room(name), set()).update(reached)
    return arrows


def circle(source: Path) -> list[str]:
    """Return the modules of one circle of imports, or nothing."""
    try:
        TopologicalSorter(module_imports(source)).prepare()
    except CycleError as error:
        return [str(module) for module in error.args[1]]
    return []


def _imports(name: str, files: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of ifdd that a module imports."""
    for node in ast.walk(ast.parse(files[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "ifdd")
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{name} has a relative import; write out the module")
            if node.module is not None and node.module.split(".")[0] == "ifdd":
                for alias in node.names:
                    below = f"{node.module}.{alias.name}"
                    yield below if below in files else node.module
