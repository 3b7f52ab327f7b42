"""BigGAN-deep's published files: the same images, and what is refused.

`make_biggan_fixture.py` made the files beside this with the published PyTorch port.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from causal_jax.importers import biggan, weight_file
from causal_jax.networks.biggan import Generator, Layout

WEIGHTS = Path(__file__).with_name("biggan_small.bin")
LAYOUT = Layout(
    ((True, 16, 8), (False, 8, 8), (True, 8, 4), (False, 4, 2), (True, 2, 1)),
    attention=2,
)
GENERATOR = Generator(
    width=4, num_classes=5, noise_size=6, embedding_size=6, layout=LAYOUT
)


@pytest.fixture(scope="module")
def arrays():
    return weight_file.read(WEIGHTS, legacy=True)


@pytest.fixture(scope="module")
def published():
    """What the port drew."""
    with np.load(WEIGHTS.with_suffix(".npz")) as file:
        return dict(file)


def drawn(variables, published, index, **settings):
    """Our images at a truncation."""
    truncation = float(published["truncations"][index])
    z = np.float32(truncation) * published["z"]
    module = GENERATOR.clone(**settings)
    draw = jax.jit(lambda v: module.apply(v, z, published["classes"], truncation))
    return draw(variables)


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_images_are_the_port_s_at_two_truncations(arrays, published, spectral_norm):
    settings = {"spectral_norm": spectral_norm}
    variables = biggan.convert(arrays, GENERATOR.clone(**settings))
    assert ("spectral" in variables) == spectral_norm
    for index, there in enumerate(published["evaluated"]):
        found = drawn(variables, published, index, reference=True, **settings)
        np.testing.assert_allclose(found, there, atol=1e-4)
    assert np.abs(np.diff(published["evaluated"], axis=0)).max() > 0.1


def test_the_right_weights_between_two_levels_are_ours(arrays, published):
    """The port gives them when it is told the truncation mirrored in its step."""
    variables = biggan.convert(arrays, GENERATOR)
    on_level, between = (drawn(variables, published, index) for index in (0, 1))
    np.testing.assert_allclose(on_level, published["evaluated"][0], atol=1e-4)
    np.testing.assert_allclose(between, published["right"], atol=1e-4)
    assert np.abs(published["right"] - published["evaluated"][1]).max() > 0.1


def test_training_iterates_as_the_port_does(arrays, published):
    module = GENERATOR.clone(spectral_norm=True)
    variables = biggan.convert(arrays, module)
    truncation = float(published["truncations"][0])
    z = np.float32(truncation) * published["z"]

    @jax.jit
    def draw(variables):
        return module.apply(
            variables,
            z,
            published["classes"],
            truncation,
            train=True,
            mutable=["spectral"],
        )

    images, updated = draw(variables)
    np.testing.assert_allclose(images, published["trained"], atol=1e-4)
    assert np.abs(published["trained"] - published["evaluated"][0]).max() > 0.1
    # A second evaluation with the vectors that were kept is what was drawn last.
    again = drawn({**variables, **updated}, published, 0, spectral_norm=True)
    np.testing.assert_allclose(again, published["trained"], atol=1e-4)


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_conversion_gives_the_network_s_own_tree(arrays, spectral_norm):
    module = GENERATOR.clone(spectral_norm=spectral_norm)
    z, labels = jnp.zeros((1, 6)), jnp.zeros(1, jnp.int32)
    expected = jax.eval_shape(module.init, jax.random.key(0), z, labels)

    def described(tree):
        return jax.tree.map(lambda x: (x.shape, x.dtype), tree)

    assert described(biggan.convert(arrays, module)) == described(expected)


def test_safetensors_of_the_same_names_are_the_same(arrays, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path)
    monkeypatch.setattr(biggan, "Generator", lambda size, **k: GENERATOR.clone(**k))
    same = jax.tree.map(
        np.array_equal, biggan.load(path, 128), biggan.load(WEIGHTS, 128)
    )
    assert all(jax.tree.leaves(same))


BLOCK = "generator.layers.1.conv_1"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda a: a.update({"first": a.pop("embeddings.weight")}),
            "no embeddings.wei",
        ),
        (
            lambda a: a.update({BLOCK: a.pop(f"{BLOCK}.weight_orig")}),
            rf"^it has no {BLOCK}.weight_orig$",
        ),
        (lambda a: a.pop("generator.layers.2.gamma"), "no generator.layers.2.gamma"),
        (lambda a: a.update(extra=np.zeros(3)), "^it also has extra$"),
        (
            lambda a: a.update({f"{BLOCK}.weight_orig": np.zeros((8, 8, 5, 5))}),
            rf"^{BLOCK}.weight_orig is \[8, 8, 5, 5\], not \[8, 8, 3, 3\]$",
        ),
        (
            lambda a: a.update({"generator.bn.running_means": np.zeros((4, 51))}),
            r"running_means is \[4, 51\], not \[51, 4\]",
        ),
    ],
)
def test_the_first_tensor_that_does_not_fit_is_named(arrays, change, text):
    changed = dict(arrays)
    change(changed)
    with pytest.raises(ValueError, match=text):
        biggan.convert(changed, GENERATOR)


def one_line(error):
    return "\n" not in str(error.value)


def test_files_that_do_not_fit_are_refused_in_one_line(arrays, tmp_path):
    with pytest.raises(ValueError, match="there is no file") as error:
        biggan.load(tmp_path / "none.bin")
    assert one_line(error)
    with pytest.raises(ValueError, match="for sizes 128, 256, 512, not 64") as error:
        biggan.load(WEIGHTS, 64)
    assert one_line(error)
    other = r"does not hold BigGAN-deep-256: embeddings.weight is \[6, 5\], not \[128,"
    with pytest.raises(ValueError, match=other) as error:
        biggan.load(WEIGHTS)
    assert one_line(error)
    whole = WEIGHTS.read_bytes()
    for length in (10, 5_000, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.bin").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut.bin is (damaged|refused|no c)") as e:
            biggan.load(tmp_path / "cut.bin")
        assert one_line(e)
    save_file({"features.0.weight": np.zeros((2, 3))}, tmp_path / "vgg.safetensors")
    with pytest.raises(ValueError, match="does not hold .* no embeddings.weight"):
        biggan.load(tmp_path / "vgg.safetensors")
