"""A picture of the matrix: what X, Y_S and Y_D know of every factor."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ifdd.errors import InputError
from ifdd.explanation.disentanglement.tables import NAMES, number
from ifdd.files import atomic_path, check_writable
from ifdd.records import DisentanglementRecord, ProbeRecord

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure
    import matplotlib.image

PROBE_TITLES = {"linear": "linear probe", "mlp": "small MLP"}


def check_plot(path: Path) -> None:
    """Check up front that the picture can be written in the format of the path's suffix.

    Raises:
        InputError: matplotlib is not installed, the suffix is none of its formats, or the path cannot be written to.
    """
    known = _figure((1.0, 1.0)).canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in known:
        raise InputError(f"{path}: unknown format {path.suffix!r}; use one of {', '.join(sorted(known))}")
    check_writable(path)


def write_plot(record: DisentanglementRecord, path: Path) -> None:
    """Write the picture in the image format of the path's suffix.

    Raises:
        InputError: as ``check_plot``.
    """
    check_plot(path)
    with atomic_path(path) as temporary:
        plot_matrix(record).savefig(temporary, dpi=150)


def plot_matrix(record: DisentanglementRecord) -> "matplotlib.figure.Figure":
    """Draw the knowledge of every factor (rows) in every kind of features (columns), a panel for each kind of probe.

    Raises:
        InputError: matplotlib is not installed.
    """
    probes = list(dict.fromkeys(each.probe for each in record.factors[0].probes))
    figure = _figure((9.5, 1.5 + 0.52 * len(record.factors)))
    panels = figure.subplots(1, len(probes), squeeze=False)[0]
    for place, (axes, probe) in enumerate(zip(panels, probes, strict=True)):
        image = _draw_panel(axes, record, probe, names=place == 0)
    bar = figure.colorbar(image, ax=list(panels), shrink=0.9, pad=0.02)
    bar.set_label("knowledge: 0 chance, 1 perfect", fontsize=9)
    return figure


def _figure(size: tuple[float, float]) -> "matplotlib.figure.Figure":
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise InputError("a plot needs matplotlib, which is not installed: pip install 'ifdd[plot]'") from error
    return Figure(figsize=size, layout="constrained")


def _draw_panel(
    axes: "matplotlib.axes.Axes", record: DisentanglementRecord, probe: str, names: bool
) -> "matplotlib.image.AxesImage":
    rows = [[each for each in factor.probes if each.probe == probe] for factor in record.factors]
    values = np.array([[each.knowledge.value for each in row] for row in rows])
    image = axes.imshow(values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for row, column in np.ndindex(*values.shape):
        colour = "white" if values[row, column] > 0.55 else "#22262b"
        axes.text(column, row, _cell(rows[row][column]), ha="center", va="center", fontsize=8, color=colour)
    features = [each.features for each in rows[0]]
    axes.set_xticks(range(len(features)), [NAMES[name].replace(" (", "\n(") for name in features], fontsize=9)
    labels = [factor.name for factor in record.factors]
    axes.set_yticks(range(len(labels)), labels if names else [""] * len(labels), fontsize=9)
    boundary = sum(factor.group == "emotion" for factor in record.factors)
    axes.axhline(boundary - 0.5, color="#22262b", linewidth=1.5)  # above: emotion; below: context
    axes.set_title(PROBE_TITLES[probe], fontsize=10)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _cell(found: ProbeRecord) -> str:
    """Return the text of a cell: the value, and the half width of its interval."""
    known = found.knowledge
    if known.low is None or known.high is None:
        return number(known.value)
    return f"{number(known.value)} ±{(known.high - known.low) / 2:.2f}"
