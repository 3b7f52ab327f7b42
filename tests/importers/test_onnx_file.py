""".onnx files: nodes and weights come out, anything else is refused in a line."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from causal_jax.importers import onnx_file
from tests.hostile.onnx_files import (
    DOUBLE,
    FLOAT,
    HALF,
    INT64,
    KERNEL,
    field,
    model,
    node,
    tensor,
    varint,
)

WHOLE = model(
    nodes=[node("Conv", "x", "w", "b"), node("Relu", "y", output="z")],
    tensors=[
        tensor("w", KERNEL),
        tensor("b", KERNEL[0], packed=True),
        tensor("h", KERNEL.astype(np.float16), kind=HALF),
        tensor("d", KERNEL.astype(np.float64), kind=DOUBLE),
        tensor("shape", np.array([1, 2]), kind=INT64),
    ],
)


@pytest.fixture
def read(tmp_path):
    def run(data):
        (tmp_path / "x.onnx").write_bytes(data)
        return onnx_file.read(tmp_path / "x.onnx")

    return run


def test_nodes_are_in_their_order_and_weights_in_their_shape(read):
    graph = read(WHOLE)
    assert [(n.kind, n.inputs, n.outputs) for n in graph.nodes] == [
        ("Conv", ("x", "w", "b"), ("y",)),
        ("Relu", ("y",), ("z",)),
    ]
    assert list(graph.arrays) == ["w", "b", "h", "d"], "whole numbers are left out"
    for name in "whd":
        np.testing.assert_array_equal(graph.arrays[name], KERNEL)
    np.testing.assert_array_equal(graph.arrays["b"], KERNEL[0])


def test_the_format_s_own_library_is_read(read):
    onnx = pytest.importorskip("onnx")
    made = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"], name="first")],
        "g",
        [],
        [],
        [
            onnx.numpy_helper.from_array(KERNEL, "w"),
            onnx.helper.make_tensor("v", FLOAT, (2, 3), KERNEL.ravel().tolist()),
        ],
    )
    graph = read(onnx.helper.make_model(made).SerializeToString())
    assert graph.nodes == (onnx_file.Node("Conv", "first", ("x", "w"), ("y",)),)
    np.testing.assert_array_equal(graph.arrays["w"], KERNEL)
    np.testing.assert_array_equal(graph.arrays["v"], KERNEL)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "damaged .it has no graph"),
        (b"\x80\x02 a pickle", "damaged"),
        (WHOLE[:-1], "damaged .a field is longer than what it is in"),
        (field(7, b"") * 2, "it has two graphs"),
        (field(7, 3), "a number stands where a message belongs"),
        (varint(7 << 3 | 2) + varint(1 << 62), "a field is longer than"),
        (b"\xff" * 11, "a number has more than ten bytes"),
        (b"\x3b", "of the unknown type 3"),
        (
            model(tensors=[tensor("w", KERNEL), tensor("w", KERNEL)]),
            "is refused: it has two tensors 'w'",
        ),
        (
            model(tensors=[tensor("w", KERNEL, extra=field(1, 1 << 40))]),
            "is refused: tensor 'w' has no possible shape",
        ),
        (
            model(tensors=[tensor("w", KERNEL, extra=field(1, 2))]),
            "tensor 'w' has other bytes than its shape needs",
        ),
        (
            model(tensors=[tensor("w", KERNEL, extra=field(14, 1))]),
            "is refused: tensor 'w' lies in another file",
        ),
        (
            model(tensors=[field(1, b"\1" * 20) + field(2, FLOAT)]),
            "is refused: a tensor has more than 8 axes",
        ),
        (model(nodes=[node("C" * 2000)]), "is refused: a name has more than 1000"),
        (model(nodes=[field(4, b"\xff\xfe")]), "damaged"),
        (model(tensors=[field(2, b"x")]), "a message stands where a number belongs"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(read, data, message):
    with pytest.raises(ValueError, match=message) as error:
        read(data)
    assert "x.onnx" in str(error.value) and "\n" not in str(error.value)


def test_a_small_file_of_many_fields_is_refused(read, monkeypatch):
    monkeypatch.setattr(onnx_file, "MAX_FIELDS", 1000)
    with pytest.raises(ValueError, match="is refused: it has more than 1,000 fields"):
        read(field(7, field(1, b"") * 2000))
    assert onnx_file.MAX_BYTES == 2 << 30


def test_no_file_is_said(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        onnx_file.read(tmp_path / "none.onnx")


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=300)
def test_any_change_is_a_graph_or_one_line(tmp_path_factory, data):
    changed = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(changed)))
    path = tmp_path_factory.getbasetemp() / "changed.onnx"
    path.write_bytes(changed[: end if end % 2 else None])
    try:
        graph = onnx_file.read(path)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(a, np.ndarray) for a in graph.arrays.values())
