"""Inputs that are nearly right: seeds cut, doubled, spliced, salted with odd words."""

import copy
import json
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# How many cases each property has: 40 by default, CAUSAL_JAX_FUZZ_CASES=1000 for long.
CASES = int(os.environ.get("CAUSAL_JAX_FUZZ_CASES", "40"))
FUZZ = settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    derandomize=CASES <= 40,
    suppress_health_check=list(HealthCheck),
)

_WORDS = (
    *(b"", b"\0", b"\n", b"\r\n", b"\t", b" ", b'"', b'""', b"'", b"\\", b"\xff"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xe2\x80\xa8", b"\x1d", b"\x85", b"\xed\xa0\x80"),
    *(b"-1", b"0", b"1e999", b"nan", b"inf", b"-0", b"9" * 30, b"9" * 5000, b"1.5"),
    *(b"{", b"}", b"[", b"]", b"(", b")", b"(" * 2000, b"[" * 2000, b"{" * 50),
    *(b",", b";", b":", b"=", b"|", b"#", b"//", b"/*", b"*/", b"<", b">", b"@"),
    *(b"->", b"<-", b"<->", b"--", b"A", b"B -> A", b"subgraph", b"dag {", b"graph"),
    *(b"digraph {", b"network", b"variable", b"probability", b"table", b"default"),
    *(b"type discrete", b"property", b"=1+1", b"NA", b"true", b"x" * 3000),
)
_ODD = (
    *(None, True, False, -1, 0, 1, 2**31, 2**64, 10**400, 1e308, -0.5, 1.5, "", "x"),
    *("A", "A\n", "\ud800", "\0", [], {}, [[]], [None], {"a": 1}, ["A", "A"]),
    *("x" * 3000, [1] * 300, "__class__", "NaN", float("nan"), float("inf")),
)


@st.composite
def changed(draw, seeds: list[bytes]) -> bytes:
    """A seed after a few changes."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        other = draw(st.sampled_from(seeds))
        kind = draw(st.integers(0, 5))
        part = {
            0: draw(st.sampled_from(_WORDS)),
            1: data[start:end] * 3,
            2: other[len(other) // 3 : len(other) // 2],
            3: draw(st.binary(max_size=4)),
            4: b"",
            5: draw(st.sampled_from(_WORDS)) + data[start:end],
        }[kind]
        data = data[:start] + part + data[end:]
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@st.composite
def changed_json(draw, whole) -> bytes:
    """A JSON text with a value or two that are something else, or changed bytes."""
    tree = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 2))):
        holder, key = _a_place(draw, tree)
        if holder is None:
            return json.dumps(draw(st.sampled_from(_ODD))).encode("utf-8", "replace")
        if draw(st.integers(0, 3)):
            holder[key] = copy.deepcopy(draw(st.sampled_from(_ODD)))
        else:
            del holder[key]
    data = json.dumps(tree).encode()
    return draw(changed([data])) if draw(st.integers(0, 2)) == 0 else data


def _a_place(draw, tree):
    """A container of the tree and one of its keys."""
    holder, key = None, None
    while isinstance(tree, dict | list) and tree:
        keys = sorted(tree) if isinstance(tree, dict) else range(len(tree))
        holder, key = tree, draw(st.sampled_from(list(keys)))
        tree = tree[key]
        if draw(st.integers(0, 3)) == 0:
            break
    return holder, key
