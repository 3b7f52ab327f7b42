"""A checkpoint of five networks: each is read as it is by itself."""

import jax
import numpy as np
import pytest

from causal_jax.importers import (
    biggan,
    cgn_imagenet,
    imported,
    safetensors_file,
    u2net,
    weight_file,
)
from tests.importers import parity
from tests.importers.test_biggan import GENERATOR, WEIGHTS


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """State dicts of a generator and of a saliency network."""
    folder = tmp_path_factory.mktemp("u2net")
    masker = safetensors_file.read(parity.unpacked("u2net.safetensors", folder))
    return weight_file.read(WEIGHTS, legacy=True), masker


@pytest.fixture
def checkpoint(networks):
    generator, masker = networks
    found = {f"u2net.{name}": array for name, array in masker.items()}
    for i, prefix in enumerate(("biggan_GT", "f_shape", "f_text", "f_bg")):
        for name, array in generator.items():
            scaled = array * (1 + 0.1 * i) if name.endswith("bias") else array
            found[f"{prefix}.{name}"] = scaled
    return found


def converted(checkpoint):
    return cgn_imagenet.convert(checkpoint, GENERATOR, parity.U2NET_CHANNELS)


def same(a, b):
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))


def test_each_network_is_read_as_by_itself(networks, checkpoint, tmp_path):
    generator, masker = networks
    found = converted(checkpoint)
    for i, part in enumerate(("shape", "texture", "background"), start=1):
        own = {
            name: array * (1 + 0.1 * i) if name.endswith("bias") else array
            for name, array in generator.items()
        }
        same(found[part]["generator"], biggan.convert(own, GENERATOR))
    alone = u2net.convert(masker, channels=parity.U2NET_CHANNELS)
    same(found["shape"]["masker"], alone)
    imported.save(tmp_path, found, name="cgn-imagenet", source=WEIGHTS)
    kept = imported.load(tmp_path, names=["cgn-imagenet"])
    same(kept, {part: found[part] for part in kept})
    assert set(kept) == {"shape", "texture", "background"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"f_text.embeddings.weight": None}, "under 'f_text', it has no embeddings"),
        ({"f_bg.extra": np.zeros(1)}, "under 'f_bg', it also has extra"),
        ({"u2net.outconv.bias": np.zeros(3)}, "under 'u2net', outconv.bias is"),
        ({"f_colour.weight": np.zeros(1)}, "it also has f_colour.weight"),
    ],
)
def test_what_does_not_fit_is_named(checkpoint, change, message):
    changed = {**checkpoint, **change}
    changed = {name: array for name, array in changed.items() if array is not None}
    with pytest.raises(ValueError, match=message):
        converted(changed)


def test_a_checkpoint_without_a_network_is_refused(checkpoint):
    kept = {k: v for k, v in checkpoint.items() if not k.startswith("u2net.")}
    with pytest.raises(ValueError, match="under 'u2net', no tensor's name begins"):
        converted(kept)
