"""VGG16's weights: from either kind of file, and what is refused."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.importers import vgg
from causal_jax.networks.vgg import BLOCKS, VGG16Features
from tests.importers import parity
from tests.importers.parity import vgg_weights

WEIGHTS = Path(
    os.environ.get("TFDS_DATA_DIR", "/none"), "../weights/vgg16_features_f16.npz"
)


@pytest.fixture(scope="module")
def arrays():
    """Random weights named as in the .npz."""
    random, found, channels = np.random.default_rng(0), {}, 3
    sizes = [number for block in BLOCKS for number in block]
    for i, features in enumerate(sizes):
        kernel = random.normal(0, 1, (3, 3, channels, features)) / np.sqrt(9 * channels)
        found[f"VGG16_0/Conv_{i}/kernel"] = kernel.astype(np.float16)
        found[f"VGG16_0/Conv_{i}/bias"] = np.full(features, 0.1, np.float16)
        channels = features
    return found


def test_torchvision_s_state_dict_gives_the_same_parameters(arrays):
    there = {"classifier.0.weight": np.zeros((3, 3))}
    for i, place in enumerate((0, 2, 5, 7, 10, 12, 14, 17, 19, 21)):
        kernel = arrays[f"VGG16_0/Conv_{i}/kernel"]
        there[f"features.{place}.weight"] = kernel.transpose(3, 2, 0, 1)
        there[f"features.{place}.bias"] = arrays[f"VGG16_0/Conv_{i}/bias"]
    same = jax.tree.map(
        np.array_equal, vgg.convert_torchvision(there), vgg.convert(arrays)
    )
    assert all(jax.tree.leaves(same))


def test_maps_are_pytorch_s():
    expected = parity.arrays("vgg")
    params = vgg.convert_torchvision(vgg_weights.state_dict())
    maps = VGG16Features().apply(params, expected["images"])
    for i in (1, 2, 3):
        np.testing.assert_allclose(maps[i], expected[f"map_{i}"], rtol=1e-4, atol=1e-4)
    assert sum(x.size for x in jax.tree.leaves(params)) == 7_635_264


def test_files_that_do_not_fit_are_refused_in_one_line(arrays, tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        vgg.load(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="damaged or no .npz"):
        vgg.load(tmp_path / "bad.npz")
    (tmp_path / "bad.pth").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="no checkpoint of PyTorch"):
        vgg.load(tmp_path / "bad.pth")
    first = "VGG16_0/Conv_0/kernel"
    np.savez(tmp_path / "one.npz", **{first: arrays[first]})
    with pytest.raises(ValueError, match="does not hold .* no VGG16_0/Conv_0/bias"):
        vgg.load(tmp_path / "one.npz")
    np.savez(tmp_path / "nan.npz", **{first: np.full((3, 3, 3, 64), np.nan)})
    with pytest.raises(ValueError, match=f"{first} holds values that are not finite"):
        vgg.load(tmp_path / "nan.npz")
    np.savez(tmp_path / "two.npz", **{first: np.zeros((5, 5, 3, 64))})
    with pytest.raises(ValueError, match=r"is \[5, 5, 3, 64\], not \[3, 3, 3, 64\]"):
        vgg.load(tmp_path / "two.npz")


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="no VGG16 weights beside the data")
def test_trained_weights_are_read():
    params = vgg.load(WEIGHTS)
    maps = VGG16Features().apply(params, jnp.zeros((1, 16, 16, 3)))
    assert all(bool(jnp.isfinite(m).all()) and float(m.max()) > 0 for m in maps)
