"""Figures of studies over several seeds, as PIL images.

A point or a curve is the mean over seeds; how far seeds lie apart is drawn beside it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image

from causal_jax.reporting.figures import new_figure, style, to_image

# Okabe and Ito's colours, which colour-blind readers tell apart.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#555b66")
FLOOR = "#9aa1ab"
_MARKERS = ("o", "s", "^", "D", "v", "P")
_GRID = {"color": "#e6e8ec", "linewidth": 0.8}


class Point(NamedTuple):
    """One model of a `plane_figure`.

    Attributes:
      name: its colour, one a name, in the order in which names first appear.
      group: its marker, one a group.
      x: [S] one value a seed, above 0.
      y: [S] likewise.
      y_part: [S] or None: a second measurement of y, a hollow marker joined to the
        first.
    """

    name: str
    group: str
    x: np.ndarray
    y: np.ndarray
    y_part: np.ndarray | None = None


def plane_figure(
    points: Sequence[Point],
    *,
    x_label: str,
    y_label: str,
    floor: float,
    floor_label: str,
    part_label: str = "",
) -> Image.Image:
    """Two distances of several models against each other, both on a log scale.

    Args:
      points: the models; bars are one (sample) standard deviation over seeds.
      x_label: of the horizontal axis.
      y_label: of the vertical axis.
      floor: what chance alone does, a dashed line on both axes.
      floor_label: its text in the legend.
      part_label: what the hollow markers are.
    """
    names = list(dict.fromkeys(point.name for point in points))
    groups = list(dict.fromkeys(point.group for point in points))
    with style():
        figure = new_figure(8.4, 4.8)
        axes = figure.subplots()
        axes.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label)
        axes.grid(which="both", **_GRID)
        axes.set_axisbelow(True)
        axes.axvline(floor, color=FLOOR, ls="--", lw=1.2, label=floor_label)
        axes.axhline(floor, color=FLOOR, ls="--", lw=1.2)
        for name in names:
            colour = COLOURS[names.index(name) % len(COLOURS)]
            axes.plot([], [], color=colour, lw=6, label=name)
        for group in groups:
            marker = _MARKERS[groups.index(group) % len(_MARKERS)]
            axes.plot([], [], marker, color="#1e2228", ms=7, label=group)
        for point in points:
            colour = COLOURS[names.index(point.name) % len(COLOURS)]
            marker = _MARKERS[groups.index(point.group) % len(_MARKERS)]
            _draw_point(axes, point, colour, marker)
        if part_label:
            axes.plot([], [], "o", mfc="white", mec="#1e2228", label=part_label)
        axes.spines[["top", "right"]].set_visible(False)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
        figure.legend(loc="outside right center", frameon=False, fontsize=9)
        return to_image(figure)


def _draw_point(axes, point: Point, colour: str, marker: str) -> None:
    x, y = np.mean(point.x), np.mean(point.y)
    bars = {"fmt": marker, "color": colour, "ms": 8, "capsize": 3, "lw": 1.4}
    if point.y_part is not None:
        part = np.mean(point.y_part)
        axes.plot([x, x], [y, part], color=colour, lw=1.0, ls=":")
        axes.errorbar(
            x, part, spread(point.y_part), spread(point.x), mfc="white", **bars
        )
    axes.errorbar(x, y, spread(point.y), spread(point.x), **bars)


def spread(values: np.ndarray) -> float:
    """Sample standard deviation over seeds; 0 for a single one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def seed_curves_figure(
    steps: Sequence[int],
    panels: Mapping[str, Mapping[str, np.ndarray]],
    *,
    y_label: str,
    floors: Mapping[str, float],
    floor_label: str,
) -> Image.Image:
    """Distances over training, log scale: mean and standard error over seeds.

    Args:
      steps: [T] where the curves were measured.
      panels: {title: {curve: [S, T]}}; a curve keeps its colour over the panels.
      y_label: of the vertical axis.
      floors: {title: what chance alone does}, a dashed line.
      floor_label: its text in the legend.
    """
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    with style():
        figure = new_figure(3.6 * len(panels) + 1.2, 4.0)
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, curves) in zip(grid, panels.items(), strict=True):
            for name, values in curves.items():
                colour = COLOURS[names.index(name) % len(COLOURS)]
                _draw_curve(axes, steps, values, colour, name)
            axes.axhline(floors[title], color=FLOOR, ls="--", label=floor_label)
            axes.set(yscale="log", title=title, xlabel="step")
            axes.grid(which="both", **_GRID)
            axes.spines[["top", "right"]].set_visible(False)
        grid[0].set_ylabel(y_label)
        grid[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        grid[0].yaxis.set_major_formatter("{x:g}")
        grid[0].yaxis.set_minor_formatter(NullFormatter())
        handles = {
            text: handle
            for axes in grid
            for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside right center",
            frameon=False,
            fontsize=9,
        )
        return to_image(figure)


def _draw_curve(axes, steps, values: np.ndarray, colour: str, name: str) -> None:
    mean = np.mean(values, axis=0)
    error = np.std(values, axis=0) / np.sqrt(max(len(values) - 1, 1))
    axes.plot(steps, mean, color=colour, lw=1.6, label=name)
    axes.fill_between(steps, mean - error, mean + error, color=colour, alpha=0.2, lw=0)
