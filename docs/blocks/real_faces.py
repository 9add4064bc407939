"""How accurate checkpoints are on photographs of real people: results/real_faces.json and the studies of faces."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import yaml

from docs.blocks.markdown import ROOT, Makers, percent, result, table
from ifdd.evaluation.tables import with_interval

SCOPES = {"restricted": "the folder's", "all": "all"}
"""Key in the result file -> the classes among which predictions are scored."""

SCORES = ("accuracy", "accuracy at 50 % coverage", "WAR on rendered people")
"""Headings of the scores of a study."""

SETS = (
    "",
    "set 1: 3,989 clips of 64 pixels in colour, few ways to express an emotion",
    "set 2: more clips, more ways to express an emotion, 96 pixels, grey; brows lowered in a bar, the same folds on "
    "every face, light eye sockets",
    "set 3: brows lowered at their inner ends, folds that differ, dark eye sockets",
    "set 4: lower brows and wider mouths at rest, weaker folds, more ways to be sad",
    "set 5: people squint or frown in every class, camera up to 6 m away",
    "set 6: softer folds, people also hold their brows raised in every class",
    "set 7: folds do not add up to lines",
    "set 8: an open jaw turns with the head, no teeth at the back",
)
"""What is new in each set of rendered clips, by its number."""

STUDY = {
    "first": (1, "with ISSM and LADM, from random weights"),
    "second": (2, "from random weights"),
    "second_whole": (2, "from random weights, then 3 epochs with ISSM and LADM"),
    "second_direct": (2, "with ISSM and LADM, from random weights"),
    "second_colours": (2, "from random weights, in colour"),
    "third": (3, "from random weights"),
    "fourth_local": (4, "started from the row of set 3; light standardised around every pixel"),
    "fourth": (4, "started from the row of set 3; 4,537 clips"),
    "fourth_scratch": (4, "from random weights, 20 epochs; 4,537 clips"),
    "base": (4, "stage 1 of `ifdd_face`: from random weights, 10 epochs; 9,072 clips, sadness sampled twice as often"),
    "fourteen": (4, "stages 1 and 2 of `ifdd_face`: 4 more epochs at half the learning rate"),
    "even_third": (5, "stages 1 and 2, then 5 epochs; neutral and anger sampled as often as others"),
    "squinting": (5, "stages 1 and 2, then 6 epochs; neutral sampled 1.5 times, anger 0.7 times as often"),
    "even_anger": (6, "stages 1 and 2, then 6 epochs; neutral sampled 1.5 times, anger as often as others"),
    "ifdd_face": (
        6,
        "**`ifdd_face`**: stages 1 and 2, then 6 epochs; neutral sampled 1.5 times, anger 0.7 times as often",
    ),
    "further": (7, "`ifdd_face`, then 6 epochs; 8,640 clips"),
    "seventh": (7, "from random weights, 10 epochs; 8,640 clips"),
    "seventh_whole": (7, "from random weights, 12 epochs; 14,400 clips"),
    "seventh_middle": (
        7,
        "from random weights, 12 epochs; 14,400 clips, stills from the middle of clips, a quarter of the action-unit "
        "loss",
    ),
    "seventh_longer": (7, "from random weights, 12 epochs, then 8 at half the learning rate; 14,400 clips"),
    "eighth": (8, "`ifdd_face`, then 6 epochs; 7,200 clips"),
}
"""Run of the study of recipes -> number of its set of clips, and how it was trained."""

FACTORS = {
    "base": "none",
    "again": "another seed",
    "fewer_people": "a quarter of the people, as many clips",
    "small": "crops of 64 pixels, not 96",
    "eighth": "set 8, not 7",
    "twice_the_clips": "set 8, twice as many clips, as many steps",
    "tiny": "the backbone of `ifdd_tiny`",
    "stills": "only stills, half as many steps",
    "stills_first": "only stills in the first half of the steps",
    "middle_stills": "stills from the middle half of clips",
    "middle_more_stills": "stills from the middle half of clips; 60 % of the clips, not 30 %",
    "even": "all classes sampled equally often, not sadness twice",
    "mixed": "half of the people drawn (`--rig both`)",
    "frames": "16 frames in 1.6 s, not 8 (`--frames 16 --fps 10`)",
    "large": "set 8, crops of 128 pixels, not 96",
}
"""Run of the study of factors -> what it changes, where the words of the result file need the row above."""


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
    return table(("checkpoint", "classes", "accuracy", "UAR", "accuracy at 50 % coverage", "AURC", "ECE"), rows)


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
    """List what the first checkpoint predicts for the photographs, among all its classes."""
    scored = result("real_faces")["checkpoints"][0]
    names = scored["all"]["classes"]
    rows = [(name, *row) for name, row in zip(names, scored["all"]["confusion"], strict=True) if sum(row)]
    return table((f"`{scored['checkpoint']}`", *names), rows)


def coverage() -> str:
    """List the accuracy of the most confident predictions."""
    found = result("real_faces")["checkpoints"]
    shares = list(found[0]["restricted"]["coverage"])
    rows = [
        (f"`{scored['checkpoint']}`", *(percent(scored["restricted"]["coverage"][share]) for share in shares))
        for scored in found
    ]
    return table(("coverage", *(share.replace("%", " %") for share in shares)), rows)


def study() -> str:
    """List the clips and the training of every run of the study of recipes, and its scores."""
    rows = []
    for name, run in runs("face_study"):
        number, training = STUDY.get(name, (0, run["varies"]))
        rows.append((SETS[number], training, *_scores(run)))
    return table(("rendered clips: what is new in them", "training", *SCORES), rows)


def factors() -> str:
    """List what every run of the study of factors changes, and its scores."""
    rows = [(FACTORS.get(name, run["varies"]), *_scores(run)) for name, run in runs("face_factors")]
    return table(("change", *SCORES), rows)


def runs(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return name and result of the runs of a study, in its order."""
    found = result(name)
    known = yaml.safe_load((ROOT / "benchmarks" / f"{name}.yaml").read_text(encoding="utf-8"))["runs"]
    return [(run, found[run]) for run in ordered({run: run for run in found}, known)]


def _scores(run: dict[str, Any]) -> tuple[str, str, str]:
    rendered = "" if run["validation"] is None else percent(run["validation"])
    return _with_interval(run["accuracy"]), _with_interval(run["surest_half"]), rendered


def ordered(rows: Mapping[str, Any], names: Collection[str]) -> list[Any]:
    """Return the rows of a study in the order of its runs; rows of runs that it no longer has keep their places."""
    known = iter([name for name in names if name in rows])
    return [rows[next(known) if name in names else name] for name in rows]


def limits() -> str:
    """List how accurate the checkpoint is if its last step is fitted to the photographs."""
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
    return table(("last step", *SCORES[:2]), rows)


def score(file: str, run: str, kind: str) -> str:
    """Return one score of a run of a study: accuracy, half (at 50 % coverage), rendered, or the recall of a class."""
    found = result(file)[run]
    if kind == "rendered":
        return percent(found["validation"])
    value = {"accuracy": found["accuracy"]["value"], "half": found["surest_half"]["value"], **found["recalls"]}[kind]
    return percent(value)


def bundled(kind: str) -> str:
    """Return a score of the bundled checkpoint among the folder's classes: accuracy, or half (at 50 % coverage)."""
    found = result("real_faces")["checkpoints"][0]["restricted"]
    return percent(found[{"accuracy": "accuracy", "half": "surest_half"}[kind]]["value"])


def made() -> str:
    """List the stages of a run of ``make weights`` with the present rig, and the bundled checkpoint."""
    scored = {each["checkpoint"].removesuffix(".safetensors"): each for each in result("made_weights")["checkpoints"]}
    scored["bundled"] = result("real_faces")["checkpoints"][0]
    stages = {
        "stage_1": "stage 1",
        "stage_2": "stages 1 and 2",
        "stage_3": "stages 1 to 3",
        "made": "the same, calibrated and weighted by class",
        "bundled": "the bundled `ifdd_face`",
    }
    rows = [
        (text, *(_with_interval(scored[name][scope][kind]) for scope in SCOPES for kind in ("accuracy", "surest_half")))
        for name, text in stages.items()
    ]
    return table(("checkpoint", *SCORES[:2], "of all classes: accuracy", "at 50 % coverage"), rows)


BLOCKS: Makers = {
    "real faces": real_faces,
    "real recalls": recalls,
    "real confusion": confusion,
    "real coverage": coverage,
    "face study": study,
    "face factors": factors,
    "face limits": limits,
    "made weights": made,
}
FIGURES: Makers = {
    "face study": partial(score, "face_study"),
    "face factors": partial(score, "face_factors"),
    "real faces": bundled,
    "made weights rendered": lambda: percent(result("made_weights_rendered")["scores"]["war"]),
}
