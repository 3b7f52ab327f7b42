"""Figures of graphs, laws and training, as PIL images."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image

from causal_jax.graph import BINARY
from causal_jax.reporting.figures import new_figure, style, to_image
from causal_jax.reporting.graphs import graph_figure

__all__ = (
    "bars_figure",
    "curves_figure",
    "graph_figure",
    "law_figure",
    "pairwise_figure",
)

MODEL, TRUTH, FLOOR = "#2563a8", "#c9ced6", "#c2410c"
SERIES_COLOURS = (TRUTH, MODEL, FLOOR, "#5b8c5a", "#8a63a8", "#1e2228")
_GRID = {"color": "#e6e8ec", "linewidth": 0.8}
_ROW, _BAR = 0.28, 0.17  # inches per bar or pair of bars; per bar of many series
_MAX_LETTERS = 40  # beside a bar
MAX_BARS = 32  # below each other; of more those that differ most are drawn


def law_figure(
    model: Mapping[str, np.ndarray],
    truth: Mapping[str, np.ndarray],
    *,
    num_rows: int,
    by_intervention: Mapping[str, float] | None = None,
    floor_by_intervention: Mapping[str, float] | None = None,
    states: Mapping[str, Sequence[str]] | None = None,
    source: str = "truth",
) -> Image.Image:
    """Label laws: the marginals that are seen and, if given, do-TVDs.

    Of more than `MAX_BARS` marginals or interventions those are drawn where the model
    is furthest off, in their own order.

    Args:
      model: {node: `[k]` probabilities of its states}.
      truth: the same of the truth, or of the data.
      num_rows: rows of the training table: the error bars on the truth are two
        standard errors of a table that large, what chance alone does.
      by_intervention: {"Node=state": do-TVD} (`LabelMetrics.by_intervention`).
      floor_by_intervention: the same that chance alone makes of a table of `num_rows`
        (`discrete.Chance`); a mark on each bar.
      states: names of the states of nodes; their indices if None.
      source: what `truth` is, for the legend: "truth" or "data".
    """
    rows = _largest(
        _state_rows(model, truth, states or {}), lambda row: abs(row[1] - row[2])
    )
    items = _largest([*(by_intervention or {}).items()], lambda item: item[1])
    by_intervention = dict(items)
    num_bars = max(len(rows), len(by_intervention))
    height = 1.2 + _ROW * num_bars
    with style():
        figure = new_figure(10.0 if by_intervention else 6.0, height)
        axes = figure.subplots(1, 2 if by_intervention else 1, squeeze=False)[0]
        _draw_marginals(axes[0], rows, num_rows, source)
        if by_intervention:
            _draw_interventions(axes[1], by_intervention, floor_by_intervention or {})
        return to_image(figure)


def _state_rows(model, truth, state_names) -> list[tuple[str, float, float]]:
    """(text, model, truth) for the last state of binary nodes, every one of others.

    A node with states "0" and "1" (or unnamed ones) is called by its name alone.
    """
    rows = []
    for name, probs in model.items():
        if name not in truth:
            raise ValueError(f"the truth has no marginal of {name!r}: give all nodes")
        names = state_names.get(name, range(len(probs)))
        for state in [1] if len(probs) == 2 else range(len(probs)):
            is_plain = len(probs) == 2 and tuple(names) in (BINARY, (0, 1))
            text = name if is_plain else f"{name}={names[state]}"
            rows.append((text, float(probs[state]), float(truth[name][state])))
    return rows


def _largest(items: list, size_fn) -> list:
    """The `MAX_BARS` largest, in the order given."""
    kept = sorted(items, key=size_fn, reverse=True)[:MAX_BARS]
    return [item for item in items if item in kept]


def _draw_marginals(axes, rows, num_rows: int, source: str) -> None:
    texts, model, truth = zip(*rows, strict=True)
    truth = np.array(truth)
    y = np.arange(len(rows))
    error = 2.0 * np.sqrt(truth * (1.0 - truth) / num_rows)
    axes.barh(y - 0.2, model, 0.38, color=MODEL, label="model")
    axes.barh(y + 0.2, truth, 0.38, color=TRUTH, label=source)
    axes.errorbar(truth, y + 0.2, xerr=error, fmt="none", ecolor=FLOOR, capsize=2,
                  label=f"chance in {num_rows:,} rows")  # fmt: skip
    axes.set(xlim=(0, 1), title="seen: probability of each state")
    _format_horizontal_bars(axes, y, texts)
    axes.legend(frameon=False, fontsize=9)


def _draw_interventions(axes, by_intervention: Mapping, floors: Mapping) -> None:
    y = np.arange(len(by_intervention))
    values = list(by_intervention.values())
    axes.barh(y, values, 0.7, color=MODEL)
    marks = [
        (floors[name], i) for i, name in enumerate(by_intervention) if name in floors
    ]
    if marks:
        x, row = np.array(marks).T
        axes.vlines(x, row - 0.35, row + 0.35, color=FLOOR, lw=1.8)
        axes.set_xlabel("red: chance alone", color=FLOOR, fontsize=9)
    axes.set(title="done: distance (TVD) of the law under do", xlim=(0, None))
    _format_horizontal_bars(axes, y, [f"do({text})" for text in by_intervention])


def _format_horizontal_bars(axes, y, texts: Sequence[str]) -> None:
    axes.set_yticks(y, [_cut(text) for text in texts], parse_math=False)
    axes.tick_params(axis="y", labelsize=9)
    axes.set_ylim(len(y) - 0.4, -0.6)
    axes.grid(axis="x", **_GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _cut(text: str) -> str:
    """A text that leaves room for the bars."""
    return text if len(text) <= _MAX_LETTERS else text[: _MAX_LETTERS - 2] + ".."


def bars_figure(
    series: Mapping[str, Mapping[str, float]], *, title: str | None = None
) -> Image.Image:
    """Probabilities below each other, one bar of each series side by side.

    Args:
      series: {legend: {text beside the bars: probability}}, at most
        `len(SERIES_COLOURS)`; every series has the texts of the first.
      title: a line above everything.

    Raises:
      ValueError: no series, too many, or no bars.
    """
    texts = list(next(iter(series.values()), {}))
    if not texts or len(series) > len(SERIES_COLOURS):
        raise ValueError(
            f"{len(series)} series of {len(texts)} bars: give 1 to "
            f"{len(SERIES_COLOURS)} series with a bar or more"
        )
    y, thick = np.arange(len(texts)), 0.8 / len(series)
    with style():
        # The legend stands above: a line each, whatever their length.
        lines = len(series) + (1 if title else 0)
        figure = new_figure(6.5, 0.5 + 0.2 * lines + _BAR * len(texts) * len(series))
        axes = figure.subplots()
        for i, (text, probs) in enumerate(series.items()):
            place = y + (i - (len(series) - 1) / 2) * thick
            widths = [probs[text] for text in texts]
            axes.barh(place, widths, 0.9 * thick, color=SERIES_COLOURS[i], label=text)
        axes.set_xlim(0, 1)
        _format_horizontal_bars(axes, y, texts)
        if title:
            axes.set_title(title, parse_math=False)
        legend = figure.legend(loc="outside upper left", frameon=False, fontsize=9)
        for text in legend.get_texts():
            text.set_parse_math(False)
        return to_image(figure)


def pairwise_figure(
    names: Sequence[str], distances: np.ndarray, *, title: str = "TVD of pairs"
) -> Image.Image:
    """Heat map of the TVD of every pair's joint table.

    Args:
      names: the `n` labels, in the order of the columns.
      distances: `[n (n - 1) / 2]`, pairs (0, 1), (0, 2), ... as
        `discrete.pairwise_tvd` returns them.
      title: above the map.

    Raises:
      ValueError: another number of distances.
    """
    num = len(names)
    if np.shape(distances) != (num * (num - 1) // 2,) or num < 2:
        raise ValueError(
            f"{np.shape(distances)} distances for {num} names: give one for each pair"
        )
    table = np.full((num, num), np.nan)
    table[np.triu_indices(num, 1)] = distances
    table = table.T[1:, :-1]  # lower triangle, without its empty row and column
    side = 2.2 + max(0.2, 0.5 if num <= 12 else 0.2) * num
    with style():
        figure = new_figure(side + 1.0, side)
        axes = figure.subplots()
        picture = axes.imshow(table, cmap="Blues", vmin=0.0, aspect="equal")
        text = {"fontsize": 9, "parse_math": False}  # a name may hold $
        axes.set_xticks(range(num - 1), names[:-1], rotation=90, **text)
        axes.set_yticks(range(num - 1), names[1:], **text)
        axes.spines[:].set_visible(False)
        axes.set_title(title, parse_math=False)
        figure.colorbar(picture, ax=axes, shrink=0.7)
        if num <= 12:
            _write_cells(axes, table)
        return to_image(figure)


def _write_cells(axes, table: np.ndarray) -> None:
    darkest = np.nanmax(table)
    for (row, column), value in np.ndenumerate(table):
        if not np.isnan(value):
            ink = "white" if value > 0.6 * darkest else "#1e2228"
            text = f"{value:.3f}".lstrip("0")
            axes.text(column, row, text, ha="center", va="center", color=ink, size=9)


def curves_figure(lines: Sequence[Mapping], *, columns: int = 3) -> Image.Image | None:
    """Logged quantities over steps, one panel for each stage and quantity.

    Args:
      lines: the lines of `metrics.jsonl`: {"stage": ..., "step": ..., quantity: value}.
      columns: panels side by side.

    Returns:
      The figure; None if nothing was logged.
    """
    curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for line in lines:
        stage, step = str(line.get("stage", "")), line.get("step")
        for name, value in line.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if name in ("stage", "step") or step is None or not is_number:
                continue
            curves.setdefault((stage, name), []).append((step, value))
    if not curves:
        return None
    num_rows = math.ceil(len(curves) / columns)
    with style():
        figure = new_figure(3.4 * columns, 2.1 * num_rows + 0.2)
        panels = figure.subplots(num_rows, columns, squeeze=False).ravel()
        for axes, ((stage, name), points) in zip(panels, curves.items(), strict=False):
            _draw_curve(axes, f"{stage}: {name}" if stage else name, points)
        for axes in panels[len(curves) :]:
            axes.set_visible(False)
        return to_image(figure)


def _draw_curve(axes, title: str, points: Sequence[tuple[float, float]]) -> None:
    steps, values = np.array(sorted(points), float).T
    marker = "." if len(steps) < 3 else None  # one point is no line
    axes.plot(steps, values, color=MODEL, lw=1.2, marker=marker)
    axes.set_title(title, parse_math=False)
    axes.grid(**_GRID)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
    axes.ticklabel_format(axis="both", style="sci", scilimits=(-3, 5))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
