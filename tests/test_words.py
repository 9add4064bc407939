"""Names that the design does not allow, because they say nothing of what they hold."""

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
CONSTANTS = {"CLOCK", "FREE", "LEAP_SECONDS", "MANY", "SELDOM", "SHOWN", "SOUND"}
MODULES = {"common", "helper", "helpers", "manager", "misc", "net", "utils"}


def test_constants_and_modules_say_of_what_they_are() -> None:
    paths = sorted(SOURCE.rglob("*.py"))
    assert paths
    assert [path for path in paths if {path.stem, path.parent.name} & MODULES] == []
    names = {
        f"{path.relative_to(SOURCE)}: {node.id}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in CONSTANTS
    }
    assert names == set()
