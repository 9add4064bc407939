"""The tables of the command, and of the pages."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from ifdd.records import DisentanglementRecord, Estimate

NAMES = {"backbone": "X (backbone)", "context": "Y_S (context)", "emotion": "Y_D (emotion)"}
"""Features -> heading."""

SHORT = {"backbone": "X", "context": "Y_S", "emotion": "Y_D"}
"""Features -> symbol of the figure."""

Rows = list[list[str]]


def number(value: float, digits: int = 2) -> str:
    """Return a score as text, without a negative zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def with_interval(estimate: Estimate | None, digits: int = 2) -> str:
    """Return a score with its interval, such as 0.42 [0.38, 0.46]."""
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return number(estimate.value, digits)
    return f"{number(estimate.value, digits)} [{number(estimate.low, digits)}, {number(estimate.high, digits)}]"


def matrix(record: DisentanglementRecord, probe: str) -> tuple[list[str], Rows]:
    """Return header and rows of the matrix: the knowledge of every factor in every kind of features."""
    header = ["factor", *(NAMES[name] for name in features_of(record))]
    return header, [
        [factor.name, *(with_interval(each.knowledge) for each in factor.probes if each.probe == probe)]
        for factor in record.factors
    ]


def score_rows(record: DisentanglementRecord, probe: str) -> tuple[list[str], Rows]:
    """Return header and rows of the scores behind the matrix, with chance level and control."""
    names = " / ".join(SHORT[name] for name in features_of(record))
    header = ["factor", "group", "score", names, "shuffled", "chance", "clips"]
    rows = []
    for factor in record.factors:
        found = [each for each in factor.probes if each.probe == probe]
        scores = " / ".join(number(each.score.value) for each in found)
        shuffled = " / ".join(number(each.shuffled.value) for each in found)
        chance, clips = number(factor.chance), str(factor.clips)
        rows.append([factor.name, factor.group, factor.metric, scores, shuffled, chance, clips])
    return header, rows


def quantity_rows(record: DisentanglementRecord, probe: str) -> tuple[list[str], Rows]:
    """Return header and rows of the R2 of every single quantity: action units, angles, light."""
    header = ["quantity", *(NAMES[name] for name in features_of(record))]
    rows = []
    for factor in record.factors:
        found = [each.outputs for each in factor.probes if each.probe == probe]
        for name in found[0] if factor.metric == "R2" else ():
            values = [each[name] for each in found]
            rows.append([f"{factor.name}: {name}", *("-" if value is None else number(value) for value in values)])
    return header, rows


def features_of(record: DisentanglementRecord) -> list[str]:
    """Return the kinds of features that were probed."""
    return list(dict.fromkeys(each.features for each in record.factors[0].probes))


def probes_of(record: DisentanglementRecord) -> list[str]:
    """Return the kinds of probes."""
    return list(dict.fromkeys(each.probe for each in record.factors[0].probes))


def knowledge_rows(record: DisentanglementRecord) -> tuple[list[str], Rows]:
    """Return header and rows of what each kind of features knows of emotion and of context."""
    header = ["features", "probe", "emotion", "context", "emotion - context"]
    return header, [
        [NAMES[each.features], each.probe, *map(with_interval, (each.emotion, each.context, each.contrast))]
        for each in record.knowledge
    ]


def separation_rows(record: DisentanglementRecord) -> tuple[list[str], Rows]:
    """Return header and rows of the separation."""
    header = ["probe", "Y_D: emotion - context", "Y_S: context - emotion", "sum"]
    return header, [
        [each.probe, *map(with_interval, (each.emotion, each.context, each.total))] for each in record.separation
    ]


def leakage_rows(record: DisentanglementRecord) -> tuple[list[str], Rows]:
    """Return header and rows of the leakage."""
    header = ["from", "to", "R2", "shuffled"]
    return header, [
        [NAMES[each.source], NAMES[each.target], with_interval(each.r2), with_interval(each.shuffled)]
        for each in record.leakage
    ]


def selection_rows(record: DisentanglementRecord) -> tuple[list[str], Rows]:
    """Return header and rows of the dynamic index."""
    header = ["split", "correlation with the intensity", "with its change", "gain in intensity"]
    found = record.dynamic_index
    return header, [
        [each.split, *(with_interval(value, 3) for value in (each.intensity, each.change, each.gain))]
        for each in (found.selections if found else ())
    ]


def heat_rows(record: DisentanglementRecord) -> tuple[list[str], Rows]:
    """Return header and rows of the heat maps."""
    header = ["share in", "of area or time", "of Y_D's heat", "of Y_S's heat", "Y_D - area", "Y_D - Y_S"]
    found = record.heat_maps
    return header, [
        [
            each.place,
            *map(
                with_interval,
                (each.area, each.emotion, each.context, each.emotion_less_area, each.emotion_less_context),
            ),
        ]
        for each in (found.places if found else ())
    ]


def disentanglement_tables(record: DisentanglementRecord) -> RenderableType:
    """Return everything that was measured as tables for the terminal."""
    titled = [
        *((f"knowledge, {probe} probe: 0 chance, 1 perfect", matrix(record, probe)) for probe in probes_of(record)),
        *((f"scores, {probe} probe", score_rows(record, probe)) for probe in probes_of(record)),
        ("knowledge of emotion and context", knowledge_rows(record)),
        ("separation", separation_rows(record)),
        ("leakage", leakage_rows(record)),
        ("dynamic index", selection_rows(record)),
        ("heat maps", heat_rows(record)),
    ]
    return Group(*(_table(title, header, rows) for title, (header, rows) in titled if rows))


def _table(title: str, header: Sequence[str], rows: Rows) -> Table:
    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
