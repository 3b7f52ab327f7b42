"""Elimination over tables: products of small tables, summed over what is not asked.

    sum over all variables but `keep` of  prod_i table_i    at the states `fixed`

A variable is any hashable name; a table has one axis for each of its variables. Tables
are sliced at the fixed states, the others are eliminated in the order that `opt_einsum`
finds, so that the product itself is never written down. Tables in, tables out: what
they mean is the caller's.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import opt_einsum

MAX_SIZE = 1 << 26  # numbers in a result or in between: half a gigabyte

Variable = Hashable


def eliminate(
    tables: Sequence[tuple[np.ndarray, Sequence[Variable]]],
    keep: Sequence[Variable],
    fixed: Mapping[Variable, int],
) -> np.ndarray:
    """Sums the product of the tables over every variable that is not kept.

    Args:
      tables: pairs of a table and its variables, one for each axis.
      keep: variables of the result's axes, none of them fixed.
      fixed: {variable: state index} at which tables are sliced.

    Returns:
      An array with one axis for each variable of `keep`.

    Raises:
      ValueError: something in between is larger than `MAX_SIZE`.

    >>> first, second = np.array([.2, .8]), np.array([[.5, .5], [.1, .9]])
    >>> eliminate([(first, ["A"]), (second, ["A", "B"])], ["B"], {}).round(2)
    array([0.18, 0.82])
    """
    return np.ldexp(*eliminate_scaled(tables, keep, fixed))


def eliminate_scaled(
    tables: Sequence[tuple[np.ndarray, Sequence[Variable]]],
    keep: Sequence[Variable],
    fixed: Mapping[Variable, int],
) -> tuple[np.ndarray, int]:
    """`eliminate` as `(array, exponent)`: the sums are `array * 2**exponent`.

    The array's largest entry is in [0.5, 1), or zero: products of many small numbers,
    such as the probability of a hundred rare findings, do not vanish in float64.
    """
    if not tables:
        return np.full((), 0.5), 1
    number: dict[Variable, int] = {}  # as opt_einsum wants them
    operands = []
    for table, variables in tables:
        at = tuple(fixed.get(variable, slice(None)) for variable in variables)
        free = [variable for variable in variables if variable not in fixed]
        operands += [table[at], [number.setdefault(v, len(number)) for v in free]]
    return _contract_within_bounds(operands, [number[variable] for variable in keep])


def _contract_within_bounds(
    operands: list, output: list[int]
) -> tuple[np.ndarray, int]:
    _, plan = opt_einsum.contract_path(*operands, output, optimize="auto")
    if plan.largest_intermediate > MAX_SIZE:
        raise ValueError(
            f"the model is too entangled: {float(plan.largest_intermediate):.1e} "
            f"numbers in between, at most {MAX_SIZE:.1e} are tried; ask for fewer "
            "nodes or sample"
        )
    scaled = [_scaled(table) for table in operands[::2]]
    for picked, _, subscripts, *_ in plan.contraction_list:
        tables, shifts = zip(*(scaled.pop(i) for i in picked), strict=True)
        product, shift = _scaled(opt_einsum.contract(subscripts, *tables))
        scaled.append((product, shift + sum(shifts)))
    return scaled[0]


def _scaled(table: np.ndarray) -> tuple[np.ndarray, int]:
    """A table divided by a power of two, which rounds nothing, and its exponent."""
    _, exponent = np.frexp(np.max(table, initial=0.0))
    return np.ldexp(table, -exponent), int(exponent)


def require_size(shape: Sequence[int], what: str) -> None:
    """Raises ValueError where a table of this shape is too large to be written down."""
    size = float(np.prod(shape, dtype=float))
    if size > MAX_SIZE:
        raise ValueError(
            f"{what} would have {size:.1e} numbers, at most {MAX_SIZE:.1e} are tried: "
            "ask for fewer nodes"
        )
