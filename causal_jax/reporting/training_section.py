"""The section of a report that shows what was logged while a run was trained."""

from pathlib import Path

from causal_jax.reporting import plots
from causal_jax.reporting.page import Page
from causal_jax.training import log

_CAPTION = (
    "What was logged while the run was trained, over the training steps: one panel per "
    "stage and quantity. Every point is the mean over the steps that were compiled "
    "into one call. Losses of networks that play against each other need not fall; a "
    "curve that runs away or stops moving is a bad sign."
)


def add(page: Page, workdir: Path) -> None:
    """Adds the training curves of a run's folder; nothing if nothing was logged."""
    figure = plots.curves_figure(log.read(workdir))
    if figure is not None:
        page.heading("Training")
        page.image(figure, _CAPTION)
