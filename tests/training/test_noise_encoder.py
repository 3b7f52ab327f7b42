import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks.image import ImageGenerator
from causal_jax.training.loop import fit
from causal_jax.training.noise_encoder import (
    encoder_module,
    init_encoder,
    noise_encoder,
)

GENERATOR = ImageGenerator((2, 3), resolution=8, width=8, noise_size=2)


@pytest.fixture(scope="module")
def params():
    """Weights large enough for the noise to show in the image."""
    params = GENERATOR.init(jax.random.key(0), ())
    return jax.tree.map(lambda x: 8 * x if x.ndim > 1 else x, params)


@pytest.fixture(scope="module")
def trained(params, tiny_rows, train_once):
    algorithm = noise_encoder(GENERATOR, params, num_steps=10, batch_size=16, width=4)
    return train_once(algorithm, tiny_rows)


def test_a_step_keeps_structure_shapes_and_dtypes(trained):
    before, after, info, *_ = trained
    chex.assert_trees_all_equal_shapes_and_dtypes(before, after)
    assert info.noise_error.shape == info.image_error.shape == ()


def test_every_trained_leaf_changes(trained):
    before, after, *_ = trained
    pairs = zip(
        jax.tree.leaves(before.params), jax.tree.leaves(after.params), strict=True
    )
    assert all(bool((a != b).any()) for a, b in pairs)


def test_steps_compile_once(trained, count_compilations):
    again = trained[-1](2, jax.random.key(9))
    assert count_compilations(again) == 0


def test_a_short_run_knows_the_noise_better_than_its_prior(params, tiny_rows):
    num_steps = 150
    algorithm = noise_encoder(GENERATOR, params, num_steps=num_steps, width=8)
    rows = {"rows": jnp.asarray(tiny_rows["rows"])}
    encoder = fit(
        algorithm, rows, key=jax.random.key(1), num_steps=num_steps, progress=False
    ).params
    noise = GENERATOR.noise(jax.random.key(2), 64)
    codes = jax.vmap(lambda row: GENERATOR.encode(tuple(row)))(rows["rows"][:64])
    images = GENERATOR.images(params, codes, noise)
    found = encoder_module(GENERATOR, 8).apply(encoder, images, codes)
    # The prior's mean has error 1/3.
    assert float(jnp.mean((found - noise["z"]) ** 2)) < 0.1


def test_the_encoder_reads_rows_one_by_one():
    params = init_encoder(GENERATOR, jax.random.key(0), 4)
    images = jax.random.uniform(jax.random.key(1), (3, 8, 8, 3), minval=-1)
    codes = jnp.eye(3, 4)
    module = encoder_module(GENERATOR, 4)
    together = module.apply(params, images, codes)
    alone = module.apply(params, images[1:2], codes[1:2])
    np.testing.assert_allclose(alone, together[1:2], atol=1e-5)
    assert float(jnp.abs(together).max()) < 1
