"""A folder of imported weights: read back as written, or refused in a line."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.importers import imported, registry, safetensors_file

TREE = {
    "params": {"conv": {"kernel": jnp.arange(4.0).reshape(1, 1, 2, 2)}},
    "batch_stats": {"bn": {"mean": jnp.ones(2)}},
}


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "original.pth"
    source.write_bytes(b"abc")
    imported.save(tmp_path / "out", TREE, name="vgg16", source=source)
    return tmp_path / "out"


def test_variables_are_read_back(folder):
    found = imported.load(folder, names=["vgg16"])
    assert jax.tree.structure(found) == jax.tree.structure(TREE)
    jax.tree.map(np.testing.assert_array_equal, found, TREE)


def test_the_receipt_says_what_of_which_file(folder):
    receipt = imported.about(folder)
    assert receipt["name"] == "vgg16" and receipt["num_values"] == 6
    assert receipt["source"] == {
        "file": "original.pth",
        "bytes": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
    assert {p.name for p in folder.iterdir()} == {imported.WEIGHTS, imported.RECEIPT}


def test_the_format_s_own_library_reads_the_weights(folder):
    reader = pytest.importorskip("safetensors.numpy")
    found = reader.load_file(folder / imported.WEIGHTS)
    assert found.keys() == {"params/conv/kernel", "batch_stats/bn/mean"}
    np.testing.assert_array_equal(found["batch_stats/bn/mean"], np.ones(2))


def damaged_weights(folder):
    path = folder / imported.WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def misplaced_array(folder):
    arrays = {"a": np.ones(1, np.float32), "a/b": np.ones(1, np.float32)}
    safetensors_file.write(folder / imported.WEIGHTS, arrays)
    receipt = imported.about(folder)
    receipt["weights"] |= imported._described(folder / imported.WEIGHTS)
    (folder / imported.RECEIPT).write_text(json.dumps(receipt))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (damaged_weights, "is not as it was written: run causal-jax import again"),
        (lambda f: (f / imported.WEIGHTS).unlink(), "is not as it was written"),
        (lambda f: (f / imported.RECEIPT).unlink(), "import.json is missing"),
        (lambda f: (f / imported.RECEIPT).write_text("{}"), "it describes no import"),
        (misplaced_array, "'a/b' has no place"),
    ],
)
def test_what_is_damaged_is_said_in_one_line(folder, change, text):
    change(folder)
    with pytest.raises(ValueError, match=text) as error:
        imported.load(folder)
    assert "\n" not in str(error.value)


def test_weights_of_another_network_are_refused(folder):
    with pytest.raises(ValueError, match="holds vgg16, not u2net or u2netp"):
        imported.load(folder, names=["u2netp", "u2net"])


@pytest.mark.parametrize(
    "tree", [{"a/b": jnp.ones(1)}, [jnp.ones(1)], {"": jnp.ones(1)}]
)
def test_other_trees_are_not_written(tmp_path, tree):
    with pytest.raises(ValueError, match="are dictionaries of arrays"):
        imported.save(tmp_path / "out", tree, name="x", source=__file__)


def test_what_cannot_be_written_is_said(tmp_path):
    for arrays, text in (
        ({}, "no arrays"),
        ({"a": np.ones(1, complex)}, "a is of complex128"),
    ):
        with pytest.raises(ValueError, match=text):
            safetensors_file.write(tmp_path / "x.safetensors", arrays)
    assert not list(tmp_path.iterdir())


def test_every_name_has_a_line_and_an_unknown_one_the_nearest():
    assert {"u2net", "u2netp", "vgg16", "resnet18", "resnet50"} <= set(
        registry.IMPORTERS
    )
    with pytest.raises(ValueError, match="did you mean 'resnet50'"):
        registry.load("resnet5", "x")
