"""Pictures inside a page: matplotlib figures and arrays as data URIs."""

import base64
import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError
from ifdd.names import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIGHT = {"ink": "#1d2329", "paper": "#ffffff", "faint": "#c3c9d0"}
"""Colours of text, background and grid lines on a light page."""

DARK = {"ink": "#e4e8ec", "paper": "#171b20", "faint": "#4a535d"}
"""The same on a dark page."""

CYCLE = ("#3b7dd8", "#d9772b", "#2f9e6e", "#b45cc4", "#c9a227", "#d1495b", "#4fb3bf", "#8a8f98")
"""Colours of lines and bars, with enough contrast to the light and to the dark background."""

QUALITY = 85
"""JPEG quality of frames."""


class Picture(NamedTuple):
    """A chart as two data URIs; the page shows the one that fits its colours."""

    light: str
    dark: str


def themed(draw: Callable[[], "Figure"]) -> Picture:
    """Draw a chart once for light and once for dark pages.

    Args:
        draw: draws the chart and returns it; the default colours of matplotlib are those of the page while it runs, and
            no text is read as a formula.

    Raises:
        InputError: matplotlib is not installed.
    """
    return Picture(*(_drawn(draw, colours) for colours in (LIGHT, DARK)))


def figure_uri(figure: "Figure") -> str:
    """Return a matplotlib figure as an SVG data URI; the text in it stays text, in the reader's fonts.

    matplotlib refuses bytes of file names that are not UTF-8: pass such names through ``ifdd.names.printable``.
    """
    import matplotlib

    text = io.StringIO()
    # the salt makes the same figure give the same text
    settings = matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ifdd"})
    with warnings.catch_warnings(), settings:
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's font is used
        figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    drawn = printable(text.getvalue(), lines=True)  # XML cannot hold control characters
    return _data_uri("image/svg+xml", drawn[drawn.index("<svg") :].encode())  # without the address of a DTD


def image_uri(rgb: UInt8[np.ndarray, "height width 3"], quality: int | None = QUALITY) -> str:
    """Return an RGB image as a data URI.

    Args:
        rgb: the image.
        quality: JPEG quality, 1 to 100; None for PNG, without losses.

    Example:
        >>> import numpy as np
        >>> from ifdd.pages import image_uri
        >>> image_uri(np.zeros((2, 2, 3), np.uint8), quality=None)[:22]
        'data:image/png;base64,'
    """
    kind, options = ("png", []) if quality is None else ("jpeg", [cv2.IMWRITE_JPEG_QUALITY, quality])
    _, encoded = cv2.imencode(f".{kind}", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    return _data_uri(f"image/{kind}", encoded.tobytes())


def _drawn(draw: Callable[[], "Figure"], colours: dict[str, str]) -> str:
    try:
        import matplotlib
        from matplotlib.rcsetup import cycler
    except ModuleNotFoundError as error:
        raise InputError("a chart needs matplotlib, which is not installed: pip install 'ifdd[report]'") from error
    ink, paper, faint = colours["ink"], colours["paper"], colours["faint"]
    settings = matplotlib.rc_context(
        {
            "figure.facecolor": paper,
            "savefig.facecolor": paper,
            "axes.facecolor": paper,
            "axes.edgecolor": ink,
            "axes.labelcolor": ink,
            "axes.titlecolor": ink,
            "axes.grid": False,
            "axes.prop_cycle": cycler(color=CYCLE),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "grid.color": faint,
            "legend.edgecolor": faint,
            "legend.facecolor": paper,
            "legend.labelcolor": ink,
            "text.color": ink,
            "text.parse_math": False,  # a name with two dollar signs is not a formula
            "xtick.color": ink,
            "ytick.color": ink,
        }
    )
    with settings:
        return figure_uri(draw())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
