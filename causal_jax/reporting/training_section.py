"""The section of a report that shows what was logged while a run was trained."""

import json
from pathlib import Path

from causal_jax.reporting import plots
from causal_jax.reporting.page import Page


def add(page: Page, workdir: Path) -> None:
    """Adds the training curves of a run's folder; nothing if nothing was logged."""
    path = workdir / "metrics.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    figure = plots.curves_figure([json.loads(line) for line in lines])
    if figure is not None:
        page.heading("Training")
        page.image(figure, "Means over each dispatch.")
