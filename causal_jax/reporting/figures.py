"""matplotlib as a function from drawing to PIL image.

It is used through `Figure` objects alone: no pyplot, no global state, no display.
"""

import io

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

_STYLE = {"font.size": 10, "axes.titlesize": 10, "axes.edgecolor": "#9aa1ab"}
_DPI = 120


def style():
    """A context in which figures have the library's fonts and colours."""
    return mpl.rc_context(_STYLE)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that draws without a display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def to_image(figure: Figure) -> Image.Image:
    """The figure as an RGB image."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white")
    buffer.seek(0)
    return Image.open(buffer).convert("RGB")
