"""Sheets of given images and what they would have been."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from causal_jax.reporting.grids import grid, to_uint8


def counterfactual_sheet(
    columns: Mapping[str, np.ndarray],
    *,
    row_labels: Sequence[str] | None = None,
    captions: Mapping[str, Sequence[str]] | None = None,
    title: str | None = None,
) -> Image.Image:
    """One unit a row: factual, reconstruction, counterfactual, difference, ...

    Args:
      columns: {heading: `[N, H, W, 3]`, uint8 or float in [-1, 1]}.
      row_labels: a text for each unit, at its left.
      captions: {heading: a text below each image of that column}.
      title: a line above everything.
    """
    cells = np.stack([to_uint8(images) for images in columns.values()], axis=1)
    texts = None
    if captions:
        empty = [""] * len(cells)
        texts = list(zip(*(captions.get(name, empty) for name in columns), strict=True))
    return grid(
        cells,
        scale=max(1, 128 // cells.shape[2]),
        column_labels=list(columns),
        row_labels=row_labels,
        captions=texts,
        title=title,
    )


def difference(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """images - others as pictures: grey where equal, brighter where `images` is."""
    return np.clip(np.asarray(images) - np.asarray(others), -1.0, 1.0)
