"""Abduction of images under small, untrained generators."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.networks.controller import controller
from causal_jax.networks.image import ImageGenerator
from causal_jax.networks.image_abduction import (
    SCALE,
    abduct_images,
    refine,
    with_residual,
    without_residual,
)

GRAPH = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
PLAIN = ImageGenerator((2, 3), resolution=8, width=8, noise_size=3)
NOISY = dataclasses.replace(PLAIN, architecture="dcgan", label_noise="corrected")
NUM = 4


def sampled(mechanism):
    """(scm, params, values, codes) of a generator with visible effects."""
    labels = controller(GRAPH, hidden=(4,))
    scm = labels.extend("image", parents=labels.nodes, mechanism=mechanism)
    params = scm.init(jax.random.key(0))
    # Untrained weights of .02 draw grey pictures: larger ones show the noise.
    params["image"] = jax.tree.map(
        lambda x: 8 * x if x.ndim > 1 else x, params["image"]
    )
    values = scm.sample(params, jax.random.key(1), num=NUM)
    codes = jax.vmap(lambda a, b: mechanism.encode((a, b)))(values["A"], values["B"])
    return scm, params, values, codes


@pytest.fixture(scope="module")
def drawn():
    return sampled(PLAIN)


def abduct(drawn, **settings):
    scm, params, values, codes = drawn
    return abduct_images(
        scm.mechanisms["image"],
        params["image"],
        values["image"],
        codes,
        jax.random.key(2),
        **settings,
    )


def test_the_descent_finds_noise_that_draws_the_image(drawn):
    start, found = abduct(drawn, num_steps=0), abduct(drawn, num_steps=150)
    assert float(found.error.mean()) < 0.3 * float(start.error.mean())
    assert float(jnp.abs(found.noise["z"]).max()) <= 1
    difference = jnp.abs(found.reconstruction - drawn[2]["image"])
    np.testing.assert_allclose(found.error, difference.mean((1, 2, 3)), atol=1e-6)


def test_the_residual_gives_the_image_back_and_can_be_dropped(drawn):
    scm, params, values, codes = drawn
    found = abduct(drawn, num_steps=2)
    draw = scm.mechanisms["image"].images
    again = draw(params["image"], codes, found.noise)
    np.testing.assert_allclose(again, values["image"], atol=1e-5)
    alone = draw(params["image"], codes, without_residual(found.noise))
    np.testing.assert_allclose(alone, found.reconstruction, atol=1e-5)


def test_the_residual_is_added_where_the_generator_draws_what_it_drew():
    """On the left it draws the same, on the right it moves: there it draws alone."""
    drawn, residual = np.zeros((2, 32, 32, 3)), np.full((2, 32, 32, 3), 0.3)
    images = drawn.copy()
    images[0, :, 16:] = 0.6
    noise = {"z": None, "residual": residual, "drawn": drawn}
    found = np.asarray(with_residual(jnp.asarray(images), noise))
    np.testing.assert_allclose(found[1], 0.3, atol=1e-7)
    np.testing.assert_allclose(found[0, :, :14], 0.3, atol=1e-7)
    np.testing.assert_allclose(found[0, :, 18:], 0.6, atol=1e-7)
    bounded = with_residual(jnp.asarray(images), noise, (0.0, 0.25))
    assert float(bounded.max()) == 0.25
    kept = np.exp(-((0.02 / SCALE) ** 2))  # a little is moved everywhere
    found = with_residual(jnp.asarray(drawn + 0.02), noise)
    np.testing.assert_allclose(found, 0.02 + 0.3 * kept, atol=1e-6)


def test_a_given_start_is_kept_without_steps_and_helps_with_them(drawn):
    scm, *_ = drawn
    true = scm.sample_noise(jax.random.key(1), NUM)["image"]["z"]
    kept = abduct(drawn, start=true, num_steps=0)
    np.testing.assert_array_equal(kept.noise["z"], true)
    assert (kept.error <= abduct(drawn, num_steps=0).error).all()


def test_more_starts_are_never_worse(drawn):
    one, three = (abduct(drawn, num_steps=3, num_starts=n) for n in (1, 3))

    def squares(found):
        return (found.noise["residual"] ** 2).mean((1, 2, 3))

    assert bool((squares(three) <= squares(one) + 1e-7).all())
    assert float(squares(three).sum()) < float(squares(one).sum())


def test_an_image_is_abducted_alone_as_in_a_batch():
    """The loss is a sum over images: Adam of one does not see the others."""

    def draw(z):
        return jnp.tanh(z[:, None, None, :])

    images = jnp.linspace(-0.7, 0.7, 6).reshape(2, 1, 1, 3)
    start = jnp.zeros((2, 3))
    together = refine(draw, images, start, 30, 0.1)
    alone = refine(draw, images[:1], start[:1], 30, 0.1)
    np.testing.assert_allclose(alone, together[:1], atol=1e-6)


def test_the_null_counterfactual_of_an_image_is_the_image(drawn):
    scm, params, values, _ = drawn
    null = scm.counterfactual(params, jax.random.key(3), values)
    for name in scm.nodes:
        np.testing.assert_allclose(null[name], values[name], atol=1e-5)


def test_label_noise_is_drawn_and_what_it_leaves_is_residual():
    scm, params, values, _ = sampled(NOISY)
    noise = scm.abduct(params, jax.random.key(3), values)["image"]
    prior = scm.sample_noise(jax.random.key(1), NUM)["image"]
    assert jax.tree.map(jnp.shape, without_residual(noise)) == jax.tree.map(
        jnp.shape, prior
    )
    null = jax.vmap(scm.mechanisms["image"].apply, in_axes=(None, 0, 0))(
        params["image"], (values["A"], values["B"]), noise
    )
    np.testing.assert_allclose(null, values["image"], atol=1e-5)


def test_one_unit_is_imagined_through_the_core(drawn):
    scm, params, values, _ = drawn
    unit = {name: value[0] for name, value in values.items()}
    other = scm.counterfactual(params, jax.random.key(3), unit, do={"B": "z"})
    assert other["image"].shape == (8, 8, 3)
    assert int(other["B"]) == 2 and int(other["A"]) == int(unit["A"])
    assert float(jnp.abs(other["image"]).max()) <= 1
