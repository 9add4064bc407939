"""What the two halves of the models know: results/disentanglement*.json."""

from collections.abc import Sequence

from docs.blocks.markdown import ROOT, Makers, code, table
from ifdd.explanation.disentanglement import tables
from ifdd.records import DisentanglementRecord

RESULT = "disentanglement"
"""Name of the result file of the model that the page describes."""

NOT_MEASURED = "*Nothing is measured yet: run ifdd disentangle on the checkpoints of the study.*"

REMEDY = "measure it again with ifdd disentangle"

Rows = tuple[Sequence[str], Sequence[Sequence[str]]]


def load(name: str) -> DisentanglementRecord | None:
    """Return a result; None before anything was measured."""
    file = ROOT / "results" / f"{name}.json"
    return DisentanglementRecord.load(file, REMEDY) if file.exists() else None


def measured(name: str = RESULT) -> str:
    """Say what was measured, on what, by which command; then everything as tables."""
    found = load(name)
    if found is None:
        return f"Not measured yet: `ifdd disentangle CHECKPOINT MANIFEST --out results/{name}.json` writes the result."
    picture = ROOT / "docs" / "images" / f"{name}.png"
    seen = [f"![Knowledge of each factor in X, Y_S and Y_D, by both probes](images/{name}.png)"]
    return "\n\n".join((about(found), *(seen if picture.exists() else []), *sections(found)))


def about(found: DisentanglementRecord) -> str:
    """Say what was measured on what."""
    model = found.checkpoint
    right = "" if model.accuracy is None else f"; it recognises {100 * model.accuracy:.1f} % of these clips"
    return (
        f"{code(found.command)} measured the model {code(model.path)} (backbone {model.backbone}, split {model.split}, "
        f"lifting {model.lifting}{right}) on {found.clips:,} clips of {found.people} people, {found.frames} frames of "
        f"{found.size} x {found.size} pixels; {found.width} numbers for each clip and each kind of features "
        f"({found.pooling} over the tokens). "
        f"It took {found.seconds / 60:.1f} min on {found.processor}"
        + (f", the model on {found.device}." if found.device != found.processor else ".")
    )


def sections(found: DisentanglementRecord) -> list[str]:
    """Return every table under its heading."""
    probes = tables.probes_of(found)
    parts: list[tuple[str, Rows]] = [
        *((f"Knowledge ({probe} probe)", tables.matrix(found, probe)) for probe in probes),
        *((f"Scores behind it ({probe} probe)", tables.score_rows(found, probe)) for probe in probes),
        *((f"R2 of single quantities ({probe} probe)", tables.quantity_rows(found, probe)) for probe in probes[:1]),
        ("Knowledge of emotion and of context", tables.knowledge_rows(found)),
        ("Separation", tables.separation_rows(found)),
        ("Leakage", tables.leakage_rows(found)),
        ("Dynamic index", tables.selection_rows(found)),
        ("Heat maps", tables.heat_rows(found)),
    ]
    texts = []
    for title, (header, rows) in parts:
        if rows:
            texts.append(f"**{title}**\n\n{table(header, rows)}")
    return [*texts, *remarks(found)]


def remarks(found: DisentanglementRecord) -> list[str]:
    """Return further numbers that no table has, and what could not be measured."""
    texts = []
    if found.dynamic_index is not None:
        index = found.dynamic_index
        texts.append(
            f"The intensity varies in {index.clips:,} clips. The static positions lie {index.static_shift:.2f} and the "
            f"dynamic ones {index.dynamic_shift:.2f} frames of the features ({index.frames} a clip) from the even and "
            f"odd frames on average; between clips they differ by {index.static_spread:.2g} and "
            f"{index.dynamic_spread:.2g} frames (standard deviation; 0 if the selection ignores what a clip shows)."
        )
    if found.heat_maps is not None:
        rows, columns = found.heat_maps.grid
        texts.append(
            f"The heat maps of {found.heat_maps.clips:,} clips are enlarged from {rows} x {columns} positions, "
            "which is their true resolution."
        )
    texts += [f"Not measured: {note}." for note in found.notes]
    return texts


def of_study() -> str:
    """Compare what the halves of the study's full model know, by the share of the clip in which the emotion showed."""
    rows = []
    for file in sorted((ROOT / "results").glob(f"{RESULT}_study_*.json"), reverse=True):
        found = DisentanglementRecord.load(file, REMEDY)
        share = file.stem.removeprefix(f"{RESULT}_study_")
        index = found.dynamic_index
        selections = {each.split: each for each in index.selections} if index else {}
        rows.append(
            (
                f"{share.lstrip('0')} %",
                "-" if found.checkpoint.accuracy is None else f"{100 * found.checkpoint.accuracy:.1f} %",
                *(tables.with_interval(each.total) for each in found.separation),
                *(tables.with_interval(selections[split].intensity, 3) for split in ("model", "even/odd")),
                f"{index.dynamic_spread:.2g}" if index else "-",
            )
        )
    if not rows:
        return NOT_MEASURED
    head = (
        "the emotion showed in",
        "accuracy here",
        "separation, linear",
        "separation, MLP",
        "dynamic index and intensity",
        "even/odd and intensity",
        "spread of the index, frames",
    )
    return table(head, rows)


BLOCKS: Makers = {"disentanglement": measured, "disentanglement study": of_study}
