import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks.dcgan import (
    Discriminator,
    Generator,
    Labeler,
    NoiseEstimator,
)


def shapes(*each):
    return [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in each]


def init_shapes(module, *arguments):
    init = functools.partial(module.init, train=True)
    return jax.eval_shape(init, jax.random.key(0), *arguments)


@pytest.mark.parametrize(
    ("module", "arguments", "expected"),
    [
        (Generator(), [(2, 100), (2, 9)], 5_209_091),
        (Discriminator(), [(2, 64, 64, 3)], 21_918_873),
        (Labeler(9), [(2, 64, 64, 3)], 4_382_089),
        (NoiseEstimator(), [(2, 16, 16, 128)], 4_559_652),
    ],
)
def test_parameter_counts_are_the_reference_codes(module, arguments, expected):
    params = init_shapes(module, *shapes(*arguments))["params"]
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params)) == expected


@pytest.mark.parametrize("resolution", [8, 16, 32, 64])
@pytest.mark.parametrize("width", [4, 64])
def test_shapes_at_every_resolution(resolution, width):
    z, labels, image = shapes((2, 100), (2, 5), (2, resolution, resolution, 3))

    def outputs(module, *arguments):
        def call(*arguments):
            key = jax.random.key(0)
            return module.init_with_output(key, *arguments, train=True)[0]

        return jax.eval_shape(call, *arguments)

    generator = Generator(resolution, width)
    assert outputs(generator, z, labels).shape == (2, resolution, resolution, 3)
    discriminator = Discriminator(width, num_kernels=3, kernel_dim=2)
    logit, h1 = outputs(discriminator, image)
    assert logit.shape == (2,)
    assert h1.shape == (2, resolution // 4, resolution // 4, 2 * width)
    assert outputs(Labeler(5, width), image).shape == (2, 5)
    assert outputs(NoiseEstimator(7, width), h1).shape == (2, 7)


@pytest.mark.parametrize("resolution", [0, 4, 48])
def test_other_resolutions_are_refused(resolution):
    with pytest.raises(ValueError, match="power of two"):
        init_shapes(Generator(resolution), *shapes((2, 100), (2, 9)))


def test_initial_weights_are_the_references():
    init = functools.partial(Labeler(9, 16).init, train=True)
    params = init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    kernel = params["conv_2"]["kernel"]
    assert jnp.abs(kernel).max() <= 0.04  # truncated at two standard deviations
    assert abs(kernel.std() - 0.0176) < 5e-4  # .02 times .8796 for the truncation
    assert abs(params["linear"]["kernel"].std() - 0.02) < 1e-3
    assert not params["conv_2"]["bias"].any()


def networks(axis_name=None):
    """Every network, small, with inputs of batch 8."""
    rng = np.random.RandomState(0)

    def draw(*shape):
        return jnp.asarray(rng.uniform(-1, 1, shape), jnp.float32)

    settings = {"width": 4, "axis_name": axis_name}
    discriminator = functools.partial(
        Discriminator, num_kernels=3, kernel_dim=2, **settings
    )
    return {
        "generator": (Generator(16, **settings), (draw(8, 10), draw(8, 3))),
        "discriminator": (discriminator(), (draw(8, 16, 16, 3),)),
        "plain_discriminator": (
            discriminator(minibatch_features=False),
            (draw(8, 16, 16, 3),),
        ),
        "labeler": (Labeler(3, **settings), (draw(8, 16, 16, 3),)),
        "noise_estimator": (NoiseEstimator(5, **settings), (draw(8, 4, 4, 8),)),
    }


def enlarged_variables(module, arguments):
    """Weights ten times the initial ones, so that all parts of the output matter."""
    variables = module.init(jax.random.key(0), *arguments, train=True)
    params = jax.tree.map(lambda value: 10 * value, variables["params"])
    return {**variables, "params": params}


@pytest.mark.parametrize(
    "name", ["generator", "plain_discriminator", "labeler", "noise_estimator"]
)
def test_evaluation_does_not_depend_on_the_rest_of_the_batch(name):
    module, arguments = networks()[name]
    variables = enlarged_variables(module, arguments)

    def evaluate(*arguments):
        return module.apply(variables, *arguments, train=False)

    whole = evaluate(*arguments)
    alone = evaluate(*(argument[:1] for argument in arguments))
    mapped = jax.vmap(evaluate)(*arguments)
    for several, one, each in zip(
        *map(jax.tree.leaves, (whole, alone, mapped)), strict=True
    ):
        np.testing.assert_allclose(several[:1], one, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(several, each, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", list(networks()))
@pytest.mark.parametrize("axes", [("device",), ("unit", "device")])
def test_training_over_mapped_axes_equals_the_whole_batch(name, axes):
    whole, arguments = networks()[name]
    spread, _ = networks(axes)[name]
    variables = enlarged_variables(whole, arguments)
    params, statistics = variables["params"], variables["batch_stats"]

    def outcome(module, params, *arguments):
        variables = {"params": params, "batch_stats": statistics}
        return module.apply(variables, *arguments, train=True, mutable=["batch_stats"])

    def mapped(params, *arguments):
        def fn(*arguments):
            return outcome(spread, params, *arguments)

        for axis in axes:  # the innermost first
            fn = jax.vmap(fn, axis_name=axis, out_axes=(0, None))
        sizes = (2, 4) if len(axes) == 2 else (4, 2)
        arguments = [x.reshape(*sizes, *x.shape[1:]) for x in arguments]
        outputs, new_statistics = fn(*arguments)
        return jax.tree.map(
            lambda x: x.reshape(8, *x.shape[2:]), outputs
        ), new_statistics

    def loss(fn):
        def total(params):
            outputs, new_statistics = fn(params, *arguments)
            sizes = [(leaf**2).mean() for leaf in jax.tree.leaves(outputs)]
            return sum(sizes), (outputs, new_statistics)

        return jax.jit(jax.value_and_grad(total, has_aux=True))(params)

    expected = loss(functools.partial(outcome, whole))
    for a, b in zip(*map(jax.tree.leaves, (loss(mapped), expected)), strict=True):
        scale = 1 + jnp.abs(b).max()
        np.testing.assert_allclose(a / scale, b / scale, atol=1e-4)


def test_generator_uses_labels_and_stays_in_range():
    module, (z, labels) = networks()["generator"]
    variables = enlarged_variables(module, (z, labels))
    images = [
        module.apply(variables, z, value, train=False) for value in (labels, -labels)
    ]
    assert jnp.abs(images[0]).max() <= 1
    assert jnp.abs(images[0] - images[1]).max() > 1e-3
