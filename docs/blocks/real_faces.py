"""How well checkpoints read real faces: results/real_faces.json."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import yaml

from docs.blocks.markdown import ROOT, Makers, percent, result, table
from ifdd.evaluation.tables import with_interval

SCOPES = {"restricted": "the folder's", "all": "all"}
"""Key in the result file -> the classes among which predictions are scored."""


def real_faces() -> str:
    """List the scores of every checkpoint."""
    rows = [
        (
            f"`{scored['checkpoint']}`",
            classes,
            _with_interval(scored[scope]["accuracy"]),
            _with_interval(scored[scope]["uar"]),
            _with_interval(scored[scope]["surest_half"]),
            f"{scored[scope]['aurc']:.3f}",
            f"{scored[scope]['ece']:.3f}",
        )
        for scored in result("real_faces")["checkpoints"]
        for scope, classes in SCOPES.items()
    ]
    return table(("checkpoint", "classes", "accuracy", "UAR", "accuracy of the surest half", "AURC", "ECE"), rows)


def _with_interval(value: dict[str, Any]) -> str:
    return with_interval(percent(value["value"]), value["interval"])


def recalls() -> str:
    """List the recalls of every checkpoint among the folder's classes, with intervals."""
    found = result("real_faces")["checkpoints"]
    names = found[0]["restricted"]["recalls"]
    rows = [
        (f"`{scored['checkpoint']}`", *(_with_interval(scored["restricted"]["recalls"][name]) for name in names))
        for scored in found
    ]
    return table(("recall", *names), rows)


def confusion() -> str:
    """List what the first checkpoint reads the photographs as, among all its classes."""
    scored = result("real_faces")["checkpoints"][0]
    names = scored["all"]["classes"]
    rows = [(name, *row) for name, row in zip(names, scored["all"]["confusion"], strict=True) if sum(row)]
    return table((f"`{scored['checkpoint']}`", *names), rows)


def coverage() -> str:
    """List the accuracy of the surest photographs."""
    found = result("real_faces")["checkpoints"]
    shares = list(found[0]["restricted"]["coverage"])
    rows = [
        (f"`{scored['checkpoint']}`", *(percent(scored["restricted"]["coverage"][share]) for share in shares))
        for scored in found
    ]
    return table(("surest", *(share.replace("%", " %") for share in shares)), rows)


def study(name: str) -> str:
    """List what was varied in a study's recipe, and what it changed."""
    runs = yaml.safe_load((ROOT / "benchmarks" / f"{name}.yaml").read_text(encoding="utf-8"))["runs"]
    rows = [
        (
            run["varies"],
            _with_interval(run["accuracy"]),
            _with_interval(run["surest_half"]),
            "" if run["validation"] is None else percent(run["validation"]),
        )
        for run in ordered(result(name), runs)
    ]
    return table(("varied", "photographs", "the surest half of them", "rendered people"), rows)


def ordered(rows: Mapping[str, Any], names: Collection[str]) -> list[Any]:
    """Return the rows of a study in the order of its runs; rows of runs that it no longer has keep their places."""
    known = iter([name for name in names if name in rows])
    return [rows[next(known) if name in names else name] for name in rows]


def limits() -> str:
    """List how well photographs are read if the last step of the checkpoint is fitted to them."""
    found = result("face_limits")
    steps = {
        "checkpoint": f"`{found['checkpoint']}` itself",
        "class_weights": "its probabilities times fitted weights of the classes",
        "probabilities": "a regression on its class probabilities",
        "features": "a regression on the features before its classifier",
    }
    rows = [
        (text, _with_interval(found["scores"][name]["accuracy"]), _with_interval(found["scores"][name]["surest_half"]))
        for name, text in steps.items()
    ]
    return table(("last step", "photographs", "the surest half of them"), rows)


BLOCKS: Makers = {
    "real faces": real_faces,
    "real recalls": recalls,
    "real confusion": confusion,
    "real coverage": coverage,
    "face study": partial(study, "face_study"),
    "face factors": partial(study, "face_factors"),
    "face limits": limits,
}
