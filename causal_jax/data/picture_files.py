"""Counterfactual pictures as single files, and a table of their labels."""

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from causal_jax import files
from causal_jax.data.counterfactuals import LABELS, Counterfactuals
from causal_jax.data.images import encoded

TABLE = "labels.csv"


def write(
    folder: str | os.PathLike,
    blocks: Iterable[Counterfactuals],
    *,
    class_names: Sequence[str],
    jpeg_quality: int | None = None,
) -> Path:
    """Writes 0000000.png (or .jpg) and so on, and `labels.csv`, whole or not at all.

    Args:
      folder: a new one.
      blocks: pictures, drawn as they are written.
      class_names: of all three labels; what the table says.
      jpeg_quality: 1 to 95 writes JPEG; None is lossless (PNG).

    Returns:
      The folder. A row of the table has the file's name and the words of `LABELS`.

    Raises:
      ValueError: the folder is there already.

    >>> import tempfile
    >>> import numpy as np
    >>> block = Counterfactuals(
    ...     np.zeros((1, 8, 8, 3), np.uint8), {name: np.array([1]) for name in LABELS}
    ... )
    >>> folder = Path(tempfile.mkdtemp(), "drawn")
    >>> print((write(folder, [block], class_names=["cat", "dog"]) / TABLE).read_text())
    file,shape_label,texture_label,background_label
    0000000.png,dog,dog,dog
    <BLANKLINE>
    """
    ending = "png" if jpeg_quality is None else "jpg"
    number = 0
    with (
        files.whole_folder(folder) as unfinished,
        files.whole(unfinished / TABLE, newline="") as table,
    ):
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(["file", *LABELS])
        for block in blocks:
            for i, image in enumerate(block.images):
                name = f"{number:07d}.{ending}"
                with files.whole(unfinished / name, "wb") as file:
                    file.write(encoded(image, jpeg_quality))
                labels = (class_names[int(block.labels[k][i])] for k in LABELS)
                rows.writerow([name, *labels])
                number += 1
    return Path(folder)
