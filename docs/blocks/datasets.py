"""The datasets: labels, checks, the complete sets, manifests, faces, packs, samplings."""

from docs.blocks.markdown import Makers, code, field_meanings, result, table
from ifdd.data.crop import FaceRecord
from ifdd.data.datasets.checks import CHECKS
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import COLUMNS, TIME_COLUMNS, Sample
from ifdd.faces.boxes import CROP_FACTOR
from ifdd.faces.main_face import DETECTION_SECONDS
from ifdd.faces.path import HOLD_SECONDS
from ifdd.records.licences import LICENCES

COMPLETE = {"DFEW": "dfew", "FERV39k": "ferv39k", "MAFW single": "mafw", "CREMA-D intended": "cremad"}
"""Dataset as the pages call it -> name of its result file."""

FORMS = {"JPEG, 224 x 224": "jpeg_224", "JPEG, 256 pixels": "jpeg_256", "PNG, 1280 x 720": "png_1280x720"}
"""Frames as the page calls them -> their name in the result file."""


def label_sets() -> str:
    """List the label sets, classes in their official order; the compounds are counted."""
    rows = []
    for name, labels in LABEL_SETS.items():
        compound = [label for label in labels if "_" in label]
        words = ", ".join(label for label in labels if "_" not in label)
        rows.append(
            (code(name), len(labels), words + (f", and {len(compound)} compounds of these" if compound else ""))
        )
    return table(("label set", "classes", "in this order"), rows)


def licences() -> str:
    """List the licences of the data."""
    rows = ((licence.data, licence.id, licence.terms) for licence in LICENCES.values())
    return table(("data", "licence", "terms"), rows)


def counts(dataset: str) -> str:
    """Count the clips of each class in every list of a complete set."""
    record = result(f"prepare_{dataset}")
    lists = [(fold, subset) for subset in ("train", "test") for fold in record["counts"]]
    header = ["class", *(f"{subset} {fold}" if fold != "0" else subset for fold, subset in lists)]
    rows = [[label, *(record["counts"][fold][subset][label] for fold, subset in lists)] for label in record["classes"]]
    total = ["all", *(sum(record["counts"][fold][subset].values()) for fold, subset in lists)]
    return table(header, [*rows, total])


def checks(dataset: str) -> str:
    """List the checks with their outcome on a complete set."""
    outcomes = {check["name"]: check for check in result(f"prepare_{dataset}")["checks"]}
    rows = []
    for name, expected in CHECKS.items():
        outcome = outcomes.get(name, {"verdict": "added after this run", "reason": ""})
        verdict = outcome["verdict"] + (f": {outcome['reason']}" if outcome["reason"] else "")
        rows.append((name, expected, verdict))
    return table(("check", "expected", "outcome"), rows)


def hashes() -> str:
    """List clips, lines, hash and time of the complete sets."""
    rows = []
    for title, name in COMPLETE.items():
        record = result(f"prepare_{name}")
        digest = code(record["dataset_hash"][:12] + "...")
        rows.append((title, f"{record['clips']:,}", f"{record['lines']:,}", digest, record["benchmark"]["seconds"]))
    return table(("dataset", "clips", "lines of the manifest", "dataset hash", "seconds"), rows)


def manifest_columns() -> str:
    """List the columns of a manifest."""
    meanings = field_meanings(Sample)
    return table(("column", "meaning"), ((code(name), meanings[name]) for name in (*COLUMNS, *TIME_COLUMNS)))


def face_record() -> str:
    """List the keys of a clip's face.json."""
    rows = ((code(name), text) for name, text in field_meanings(FaceRecord).items() if text)
    return table(("key", "meaning"), rows)


def packs() -> str:
    """Compare packs with folders of images."""
    rows = []
    for title, name in FORMS.items():
        forms = [result("loading")["forms"][name][pack] for pack in ("pack", "pack_uncompressed")]
        rows.append((title, *(f"{form[f'{state}_times_folders']:.1f}" for form in forms for state in ("warm", "cold"))))
    header = ("frames", "JPEG pack, cached", "JPEG pack, disk", "uncompressed pack, cached", "uncompressed pack, disk")
    return table(header, rows)


def clips(dataset: str, fold: str = "", subset: str = "", label: str = "") -> str:
    """Count the clips of a set, or of one class in one list."""
    record = result(f"prepare_{dataset}")
    return f"{record['counts'][fold][subset][label] if fold else record['clips']:,}"


def imbalance() -> str:
    """Return how many times as many happy as disgusted clips DFEW's first training list has."""
    train = result("prepare_dfew")["counts"]["1"]["train"]
    return f"{train['happy'] / train['disgust']:.0f}"


BLOCKS: Makers = {
    "label sets": label_sets,
    "licences": licences,
    "counts": counts,
    "checks": checks,
    "dataset hashes": hashes,
    "manifest columns": manifest_columns,
    "face record": face_record,
    "packs": packs,
}
FIGURES: Makers = {
    "clips": clips,
    "imbalance": imbalance,
    "detection seconds": lambda: f"{DETECTION_SECONDS:g}",
    "hold seconds": lambda: f"{HOLD_SECONDS:g}",
    "crop factor": lambda: f"{CROP_FACTOR:g}",
    "prepare cores": lambda: str(result("prepare_dfew")["benchmark"]["cores"]),
    "DFEW hash": lambda: str(result("prepare_dfew")["dataset_hash"]),
}
