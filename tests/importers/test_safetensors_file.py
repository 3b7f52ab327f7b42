""".safetensors: what its own library writes is read, anything else refused."""

import json

import numpy as np
import pytest

from causal_jax.importers import safetensors_file, weight_file

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array([-3, 2**40], np.int64),
    "c": np.array(0.5, np.float16),
    "d": np.array([True, False]),
    "e": np.zeros((0, 4), np.float64),
    "f": np.array([[7]], np.uint8),
}


def file_of(path, header, data=b""):
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)
    return path


def described(dtype, shape, start, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_what_the_format_s_own_library_writes_is_read_back(tmp_path):
    numpy_writer = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "x.safetensors"
    numpy_writer.save_file(ARRAYS, path, metadata={"format": "pt"})
    found = weight_file.read(path)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype and found[name].flags.writeable


def test_names_are_in_the_header_s_order_wherever_their_bytes_are(tmp_path):
    header = {"z": described("I16", [1], 2, 4), "y": described("I16", [1], 0, 2)}
    path = file_of(tmp_path / "x.safetensors", header, b"\1\0\2\0")
    found = safetensors_file.read(path)
    assert list(found) == ["z", "y"]
    assert (found["z"], found["y"]) == (2, 1)


def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path):
    data = np.array([1.0, -2.5, 0.0], np.float32).view(np.uint32) >> 16
    header = {"a": described("BF16", [3], 0, 6)}
    path = file_of(tmp_path / "x.safetensors", header, data.astype("<u2").tobytes())
    found = safetensors_file.read(path)["a"]
    assert found.dtype == np.float32 and found.tolist() == [1.0, -2.5, 0.0]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": described("F32", [2], 0, 8)}, "do not end where the file does"),
        ({"a": described("F32", [1], 1, 4)}, "has other bytes than its shape needs"),
        ({"a": described("I8", [3], 1, 4)}, "overlap or leave gaps"),
        ({"a": described("I8", [True], 0, 4)}, "no possible shape or place"),
        ({"a": described("F8", [4], 0, 4)}, "has dtype 'F8'"),
        ({"a": {"dtype": "I8"}}, "is not described as the format wants"),
        ({"a": float("nan")}, "has the number NaN"),
        ({"__metadata__": {}}, "do not end where the file does"),
    ],
)
def test_a_header_that_does_not_fit_its_bytes_is_refused_in_a_line(
    tmp_path, header, message
):
    path = file_of(tmp_path / "x.safetensors", header, bytes(4))
    with pytest.raises(ValueError, match=message) as error:
        safetensors_file.read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_no_file_is_said(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        weight_file.read(tmp_path / "none.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused_and_named(tmp_path, value):
    numpy_writer = pytest.importorskip("safetensors.numpy")
    arrays = {"a": np.ones(3, np.float32), "b": np.array([0, value], np.float32)}
    numpy_writer.save_file(arrays, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="b holds values that are not finite"):
        weight_file.read(tmp_path / "weights.safetensors")
