"""Data frames of any library that narwhals knows, as columns of words."""

from collections.abc import Sequence
from typing import Any

from causal_jax.data.text_columns import TextTable, require_names, without_index

SOURCE = "the data frame"


def read_text(frame: Any, columns: Sequence[str] | None = None) -> TextTable:
    """Takes a data frame as columns of words; its index is no column.

    Args:
      frame: of pandas, polars, pyarrow or another library that narwhals knows.
      columns: names that are asked for; an index column among them is none.

    Raises:
      ValueError: no data frame, no rows, or columns without a name of their own.
    """
    import narwhals as nw
    import pyarrow as pa

    try:
        known = nw.from_native(frame)
        known = known.collect() if isinstance(known, nw.LazyFrame) else known
        cells = [_arrow_column(series) for series in known.iter_columns()]
    except Exception as error:  # of several libraries: many classes, many lines
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"a {type(frame).__name__} is no table ({reason}); give a data frame of "
            "pandas, polars or pyarrow, with words or numbers in its cells"
        ) from error
    if not cells or not len(cells[0]):
        raise ValueError(f"{SOURCE} is empty; one row a unit must be in it")
    text = TextTable(
        source=SOURCE,
        names=tuple(map(str, known.columns)),
        data=pa.table(cells, names=[str(i) for i in range(len(cells))]),
        place_fn=lambda row: f"{SOURCE}, row {row} (counted from 0)",
    )
    return require_names(without_index(text, columns or ()))


def _arrow_column(series: Any) -> Any:
    """A column as pyarrow has it; objects of Python (intervals, mixtures) as text."""
    import pyarrow as pa

    try:
        column = series.to_arrow()
        kind = column.type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not isinstance(kind, pa.BaseExtensionType):
            return column
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        pass
    cells = series.to_list()
    return pa.array([None if cell is None else str(cell) for cell in cells])
