"""Data frames of any library that narwhals knows, as columns of words."""

from collections.abc import Sequence
from typing import Any

from causal_jax.data.text_columns import TextTable, require_names, without_index


def read_text(frame: Any, columns: Sequence[str] | None) -> TextTable:
    """A data frame as columns of words."""
    import narwhals as nw

    try:
        known = nw.from_native(frame)
        known = known.collect() if isinstance(known, nw.LazyFrame) else known
        data = known.to_arrow()
    except Exception as error:  # of several libraries: many classes, many lines
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"a {type(frame).__name__} is no table ({reason}); give a data frame of "
            "pandas, polars or pyarrow, with words or numbers in its cells"
        ) from error
    text = TextTable(
        source="the data frame",
        names=tuple(map(str, data.column_names)),
        data=data,
        place_fn=lambda row: f"the data frame, row {row}",
    )
    if not text.num_rows or not text.names:
        raise ValueError("the data frame is empty; one row a unit must be in it")
    return require_names(without_index(text, columns or ()))
