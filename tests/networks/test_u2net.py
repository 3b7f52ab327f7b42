"""U2-Net: its size, its shapes at any size, its interpolation, its folding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks import u2net
from causal_jax.networks.u2net import U2Net

NARROW = ((1, 2),) * 11


@pytest.fixture(scope="module")
def variables():
    """Random weights, and statistics that are not 0 and 1."""
    images = jax.random.normal(jax.random.key(1), (2, 32, 32, 3))
    found = U2Net(NARROW).init(jax.random.key(0), images)
    keys = iter(jax.random.split(jax.random.key(2), 1000))

    def changed(x):
        return x if x.ndim == 4 else x + jax.random.uniform(next(keys), x.shape)

    return jax.tree.map(changed, found)


@pytest.mark.parametrize(
    ("channels", "num"), [(u2net.FULL, 44_009_869), (u2net.SMALL, 1_131_181)]
)
def test_it_has_as_many_parameters_as_the_published_ones(channels, num):
    images = jnp.zeros((1, 320, 320, 3))
    shapes = jax.eval_shape(U2Net(channels).init, jax.random.key(0), images)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == num


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (255, 320)])
def test_a_mask_has_its_picture_s_size_whatever_that_is(size):
    network, images = U2Net(NARROW), jnp.zeros((2, *size, 3))
    variables = jax.eval_shape(network.init, jax.random.key(0), images)
    mask = jax.eval_shape(network.apply, variables, images)
    assert mask.shape == (2, *size, 1)


def test_folded_weights_give_the_same_mask(variables):
    images = jax.random.uniform(jax.random.key(3), (2, 21, 32, 3), minval=-1)
    whole = jax.jit(U2Net(NARROW).apply)(variables, images)
    folded = jax.jit(U2Net(NARROW, folded=True).apply)(u2net.fold(variables), images)
    np.testing.assert_allclose(folded, whole, atol=1e-5)
    assert float(whole.min()) >= 0 and float(whole.max()) <= 1
    shapes = jax.eval_shape(U2Net(NARROW, folded=True).init, jax.random.key(0), images)
    assert jax.tree.structure(u2net.fold(variables)) == jax.tree.structure(shapes)


def test_training_normalises_by_the_batch_and_updates_every_average(variables):
    images = jax.random.uniform(jax.random.key(3), (4, 32, 32, 3), minval=-1)
    run = jax.jit(partial(U2Net(NARROW).apply, train=True, mutable=["batch_stats"]))
    mask, updates = run(variables, images)
    assert mask.shape == (4, 32, 32, 1)
    changed = jax.tree.map(
        lambda a, b: bool((a != b).any()),
        updates["batch_stats"],
        variables["batch_stats"],
    )
    assert all(jax.tree.leaves(changed))


@pytest.mark.parametrize("size", [(3, 4), (6, 8), (7, 9), (4, 17)])
def test_enlarging_is_bilinear_between_pixel_centres(size):
    x = jax.random.normal(jax.random.key(0), (2, 3, 4, 5))
    found = u2net.enlarged(x, size)
    expected = jax.image.resize(x, (2, *size, 5), "bilinear")
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_aligned_corners_stay_corners():
    x = jax.random.normal(jax.random.key(0), (1, 3, 4, 1))
    found = u2net.enlarged(x, (5, 7), align_corners=True)
    np.testing.assert_allclose(found[:, ::2, ::2], x, atol=1e-6)
    between = (x[:, 1:] + x[:, :-1]) / 2
    np.testing.assert_allclose(found[:, 1::2, ::2], between, atol=1e-6)


def test_the_innermost_stages_keep_their_size():
    assert u2net.dilations(u2net.STAGES["stage5"]) == ((1, 2, 4, 8), (4, 2, 1))
    assert u2net.dilations(7) == ((1,) * 6 + (2,), (1,) * 6)


def test_masks_have_the_pictures_size_and_a_gradient(variables):
    network = U2Net(NARROW)
    images = jax.random.uniform(jax.random.key(3), (1, 16, 16, 3), minval=-1)

    @jax.jit
    def run(images):
        def total(x):
            found = u2net.masks(network, variables, x, size=32, normalize=False)
            return found.sum(), found

        return jax.value_and_grad(total, has_aux=True)(images)

    (_, found), gradient = run(images)
    assert found.shape == (1, 16, 16, 1)
    assert 0 < float(jnp.abs(gradient).max()) < jnp.inf
    same = u2net.masks(network, variables, images, normalize=False)
    np.testing.assert_allclose(same, network.apply(variables, images), atol=1e-6)
