import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from causal_jax.networks import layers
from causal_jax.networks.layers import (
    BatchNorm,
    Conv,
    ConvTranspose,
    MinibatchFeatures,
    UpsampledConv,
)


def draw(seed, *shape):
    return jnp.asarray(np.random.RandomState(seed).randn(*shape))


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("module", "side"),
    [(Conv(4, 5, 2), 4), (Conv(4, (1, 3)), 8), (ConvTranspose(4, 4), 16)],
)
def test_modules_take_any_leading_axes(module, side):
    x = draw(0, 2, 3, 8, 8, 2)
    variables = module.init(jax.random.key(0), x)
    y = module.apply(variables, x)
    assert y.shape == (2, 3, side, side, 4)
    close(module.apply(variables, x[1, 2]), y[1, 2], 1e-5)
    assert set(variables["params"]) == {"kernel", "bias"}


def test_batch_norm_over_a_mapped_axis_equals_the_whole_batch():
    x = 3 + draw(0, 8, 4, 4, 2)
    whole, mapped = BatchNorm(), BatchNorm(axis_name="unit")
    variables = whole.init(jax.random.key(0), x, use_running_average=False)

    def apply(module):
        return lambda x: module.apply(
            variables, x, use_running_average=False, mutable=["batch_stats"]
        )

    y, statistics = apply(whole)(x)
    y_mapped, statistics_mapped = jax.vmap(
        apply(mapped), axis_name="unit", out_axes=(0, None)
    )(x)
    close(y, y_mapped, 1e-4)
    jax.tree.map(lambda a, b: close(a, b, 1e-5), statistics, statistics_mapped)


def naive_features(rows):
    distance = jnp.abs(rows[:, None] - rows[None]).sum(-1)  # [B, B, K]
    others = 1 - jnp.eye(rows.shape[0])
    return (jnp.exp(-distance) * others[..., None]).sum(1) / rows.shape[0]


def test_minibatch_features_equal_the_naive_formula():
    with jax.enable_x64(True):
        rows = 0.3 * draw(0, 6, 4, 3)

        def ours(rows):
            return layers.row_closeness(rows, rows, jnp.arange(6))

        close(ours(rows), naive_features(rows))
        weight = draw(1, 6, 4)
        gradients = [
            jax.grad(lambda rows: (fn(rows) * weight).sum())(rows)  # noqa: B023
            for fn in (ours, naive_features)
        ]
        close(*gradients)


def test_minibatch_features_over_units_and_devices_equal_the_whole_batch():
    x = draw(0, 6, 5)
    whole = MinibatchFeatures(4, 3)
    mapped = MinibatchFeatures(4, 3, axis_name=("unit", "device"))
    variables = whole.init(jax.random.key(0), x)
    # The weights are small (.02): enlarged, so that the distances tell rows apart.
    variables = jax.tree.map(lambda value: 20 * value, variables)

    def apply(x):
        return mapped.apply(variables, x)

    over_units = jax.vmap(apply, axis_name="unit")
    over_both = jax.vmap(over_units, axis_name="device")(x.reshape(2, 3, 5))
    expected = whole.apply(variables, x)
    assert expected.std() > 0.01
    close(over_both.reshape(6, 4), expected, 1e-5)

    def total(fn):
        return jax.grad(lambda x: (fn(x) ** 2).sum())

    ours = total(lambda x: jax.vmap(over_units, axis_name="device")(x))
    theirs = total(lambda x: whole.apply(variables, x))
    close(ours(x.reshape(2, 3, 5)).reshape(6, 5), theirs(x), 1e-4)


def test_upsampled_convolution_equals_that_of_the_doubled_image():
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 5, 6, 3)).astype(np.float32)
    kernel = random.normal(size=(3, 3, 3, 4)).astype(np.float32)
    found = UpsampledConv(4).apply({"params": {"kernel": kernel}}, x)
    doubled = x.repeat(2, 1).repeat(2, 2)
    expected = lax.conv_general_dilated(
        doubled, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)
