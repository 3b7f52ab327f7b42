"""BigGAN-deep: its sizes, its blocks by hand, units and batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks import biggan
from causal_jax.networks import biggan_parts as parts
from causal_jax.networks.spectral_norm import folded

KEY = jax.random.key(0)
# 4 x 4 -> 16 x 16, attention before the second block.
UP = biggan.Layout(((True, 4, 2), (True, 2, 1)), attention=1)
DOWN = biggan.Layout(((True, 1, 2), (False, 2, 2), (True, 2, 2)), attention=2)
SMALL = {"width": 4, "num_classes": 3, "layout": UP, "noise_size": 5}
Z = jax.random.normal(jax.random.key(1), (6, 5))
LABELS = jnp.array([0, 2, 1, 1, 0, 2])
IMAGES = jax.random.uniform(jax.random.key(2), (4, 16, 16, 3), minval=-1.0)


def generator(**settings):
    return biggan.Generator(**{**SMALL, "embedding_size": 7, **settings})


def shaken(variables, scale=0.1):
    """Variables with noise on the parameters, so that nothing is 0 or orthogonal."""
    leaves, tree = jax.tree.flatten(variables["params"])
    keys = jax.random.split(jax.random.key(3), len(leaves))
    moved = [
        leaf + scale * jax.random.normal(key, leaf.shape)
        for key, leaf in zip(keys, leaves, strict=True)
    ]
    return {**variables, "params": jax.tree.unflatten(tree, moved)}


def initialised(module, *inputs):
    return shaken(jax.jit(module.init)(KEY, *inputs))


def count(module, *inputs):
    """Number of parameters."""
    shapes = jax.eval_shape(module.init, KEY, *inputs)
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


# Counted in the modules of pytorch-pretrained-biggan (its README: 50.4, 55.9, 56.2 M).
@pytest.mark.parametrize(
    ("size", "num"), [(128, 50_388_609), (256, 55_880_833), (512, 56_163_905)]
)
def test_the_generators_have_the_published_parameters(size, num):
    module = biggan.Generator(size=size)
    z, labels = jnp.zeros((1, 128)), jnp.zeros(1, jnp.int32)
    assert count(module, z, labels) == num
    images = jax.eval_shape(lambda key: module.init_with_output(key, z, labels)[0], KEY)
    assert images.shape == (1, size, size, 3)


def discriminator_parameters(channels, attention):
    """Of width 128 and 1,000 classes, block for block."""
    total = 27 * 128 + 128
    for i, (into, out) in enumerate(zip(channels, channels[1:], strict=False)):
        hidden, new = out // 4, out - into
        total += 0 if i != attention else into * into * 5 // 4 + 1
        total += into * hidden + hidden + 2 * (9 * hidden**2 + hidden)
        total += hidden * out + out + (into * new + new if new else 0)
    return total + channels[-1] + 1 + 1000 * channels[-1]


@pytest.mark.parametrize(
    ("size", "multiples", "attention"),
    [
        (128, [1, 2, 2, 4, 4, 8, 8, 16, 16, 16, 16], 2),
        (256, [1, 2, 2, 4, 4, 8, 8, 8, 8, 16, 16, 16, 16], 4),
        (512, [1, 1, 1, 2, 2, 4, 4, 8, 8, 8, 8, 16, 16, 16, 16], 6),
    ],
)
def test_the_discriminators_have_the_paper_s_parameters(size, multiples, attention):
    module = biggan.Discriminator(size=size)
    images, labels = jnp.zeros((1, size, size, 3)), jnp.zeros(1, jnp.int32)
    channels = [128 * multiple for multiple in multiples]
    expected = discriminator_parameters(channels, attention)
    assert count(module, images, labels) == expected


def test_layouts_fit_their_sizes():
    for size, (blocks, attention) in biggan.GENERATORS.items():
        assert 4 * 2 ** sum(up for up, _, _ in blocks) == size
        side = 4 * 2 ** sum(up for up, _, _ in blocks[:attention])
        assert side == (64 if size >= 128 else 16)
        assert all(a[2] == b[1] for a, b in zip(blocks, blocks[1:], strict=False))
    for size, (blocks, attention) in biggan.DISCRIMINATORS.items():
        assert size / 2 ** sum(down for down, _, _ in blocks) == 4
        side = size / 2 ** sum(down for down, _, _ in blocks[:attention])
        assert side == (64 if size >= 128 else size // 2)
        assert all(a[2] == b[1] for a, b in zip(blocks, blocks[1:], strict=False))


@pytest.mark.parametrize("spectral_norm", [False, True])
@pytest.mark.parametrize("statistics", ["table", "batch"])
def test_one_unit_mapped_draws_what_the_batch_draws(statistics, spectral_norm):
    module = generator(statistics=statistics, spectral_norm=spectral_norm)
    variables = initialised(module, Z, LABELS)
    # Conditions are small, so that numbers and their rounding stay near 1.
    variables["params"]["label_embedding"]["embedding"] /= 4
    batched = jax.jit(module.apply)(variables, Z, LABELS, 0.5)
    assert batched.shape == (6, 16, 16, 3)
    assert float(batched.std()) > 0.1 and float(jnp.abs(batched).max()) <= 1

    def one(z, label, truncation):
        return module.apply(variables, z, label, truncation)

    mapped = jax.jit(jax.vmap(one))(Z, LABELS, jnp.full(6, 0.5))
    np.testing.assert_allclose(mapped, batched, atol=1e-5)


def test_one_unit_mapped_is_judged_as_in_the_batch():
    module = biggan.Discriminator(width=4, num_classes=3, layout=DOWN)
    variables = initialised(module, IMAGES, LABELS[:4])
    batched = jax.jit(module.apply)(variables, IMAGES, LABELS[:4])
    assert batched.shape == (4,)
    mapped = jax.vmap(lambda *unit: module.apply(variables, *unit))(IMAGES, LABELS[:4])
    np.testing.assert_allclose(mapped, batched, rtol=1e-4, atol=1e-5)
    other = jax.jit(module.apply)(variables, IMAGES, LABELS[:4].at[1].set(0))
    changed = np.abs(np.asarray(other - batched)) > 1e-4
    assert changed.tolist() == [False, True, False, False]


def test_training_units_of_two_axes_have_the_batch_s_statistics():
    whole = generator(statistics="batch", spectral_norm=True)
    variables = initialised(whole, Z, LABELS)
    collections = ["batch_stats", "spectral"]

    def step(module, z, labels):
        return module.apply(variables, z, labels, train=True, mutable=collections)

    expected, statistics = jax.jit(lambda: step(whole, Z, LABELS))()
    spread = whole.clone(axis_name=("unit", "device"))

    def one(z, label):
        return step(spread, z, label)

    units = jax.vmap(one, axis_name="unit", out_axes=(0, None))
    devices = jax.vmap(units, axis_name="device", out_axes=(0, None))
    images, found = jax.jit(devices)(Z.reshape(2, 3, 5), LABELS.reshape(2, 3))
    np.testing.assert_allclose(images.reshape(expected.shape), expected, atol=1e-4)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        found,
        statistics,
    )
    moved = found["batch_stats"]["norm"]["norm"]["mean"]
    assert float(jnp.abs(moved).max()) > 0


def test_standing_statistics_are_those_of_the_batches_at_each_truncation():
    live = generator(statistics="batch", spectral_norm=False)
    variables = initialised(live, Z, LABELS)
    settings = {"num_levels": 3, "batch_size": 16, "num_batches": 2}
    tables = jax.jit(lambda v: biggan.standing_statistics(live, v, KEY, **settings))(
        variables
    )
    fixed = generator(statistics="table", num_levels=3, spectral_norm=False)
    shapes = jax.tree.map(jnp.shape, jax.eval_shape(fixed.init, KEY, Z, LABELS))
    assert jax.tree.map(jnp.shape, tables) == shapes

    # The first normalisation sees a linear map of noise and class alone.
    found = tables["batch_stats"]["block_0"]["norm_0"]
    levels = np.repeat([0.0, 0.5, 1.0], 2)
    params, expected = variables["params"], []
    for level, key in zip(levels, jax.random.split(KEY, 6), strict=True):
        key_noise, key_labels = jax.random.split(key)
        z = live.noise(key_noise, 16, level)
        labels = jax.random.randint(key_labels, (16,), 0, live.num_classes)
        embedded = params["label_embedding"]["embedding"][labels]
        kernel = params["linear"]["kernel"]
        x = jnp.concatenate([z, embedded], -1) @ kernel
        x = (x + params["linear"]["bias"]).reshape(16 * 16, -1)
        expected.append((x.mean(0), x.var(0)))
    for name, index in (("means", 0), ("vars", 1)):
        one = np.mean(np.reshape([e[index] for e in expected], (3, 2, -1)), axis=1)
        np.testing.assert_allclose(found[name], one, rtol=1e-3, atol=1e-5)


def test_one_level_of_standing_statistics_draws_as_large_batches_do():
    live = generator(statistics="batch", spectral_norm=True)
    variables = initialised(live, Z, LABELS)
    tables = biggan.standing_statistics(
        live, variables, KEY, batch_size=200, num_batches=1
    )
    fixed = generator(statistics="table", num_levels=1, spectral_norm=True)
    (key,) = jax.random.split(KEY, 1)
    key_noise, key_labels = jax.random.split(key)
    z = live.noise(key_noise, 200)
    labels = jax.random.randint(key_labels, (200,), 0, live.num_classes)
    draw = jax.jit(lambda: live.apply(variables, z, labels, train=True, mutable=True))
    found = jax.jit(fixed.apply)(tables, z, labels, 0.3)
    np.testing.assert_allclose(found, draw()[0], atol=1e-4)


@pytest.mark.parametrize("train", [False, True])
def test_with_tables_no_image_depends_on_others(train):
    module = generator(spectral_norm=True)
    variables = initialised(module, Z, LABELS)
    draw = jax.jit(lambda z, n: module.apply(variables, z, n, train=train))
    together, alone = draw(Z, LABELS), draw(Z[:1], LABELS[:1])
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)


def test_recomputing_blocks_changes_no_number():
    modules = [generator(spectral_norm=True, remat=remat) for remat in (False, True)]
    variables = initialised(modules[0], Z, LABELS)

    def loss(params, module):
        full = {**variables, "params": params}
        images, _ = module.apply(full, Z, LABELS, 0.5, train=True, mutable=["spectral"])
        return jnp.sum(images**2)

    found = [
        jax.jit(jax.grad(loss), static_argnums=1)(variables["params"], module)
        for module in modules
    ]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), *found
    )


def test_half_precision_is_of_the_blocks_alone():
    modules = [generator(dtype=dtype) for dtype in (jnp.float32, jnp.bfloat16)]
    variables = initialised(modules[1], Z, LABELS)
    exact, rough = (jax.jit(m.apply)(variables, Z, LABELS) for m in modules)
    assert rough.dtype == jnp.float32
    assert 0 < float(jnp.abs(exact - rough).mean()) < 0.02
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))
    judge = biggan.Discriminator(width=4, num_classes=3, layout=DOWN)
    variables = initialised(judge, IMAGES, LABELS[:4])
    exact = judge.apply(variables, IMAGES, LABELS[:4])
    rough = judge.clone(dtype=jnp.bfloat16).apply(variables, IMAGES, LABELS[:4])
    assert rough.dtype == jnp.float32
    np.testing.assert_allclose(rough, exact, rtol=0.05, atol=0.05 * float(exact.std()))


def test_folding_changes_no_image():
    live, plain = generator(spectral_norm=True), generator(spectral_norm=False)
    variables = initialised(live, Z, LABELS)
    expected = jax.jit(live.apply)(variables, Z, LABELS)
    found = jax.jit(plain.apply)(folded(variables), Z, LABELS)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_weights_of_classes_are_labels_too():
    module = generator()
    variables = initialised(module, Z, LABELS)
    draw = jax.jit(module.apply)
    one_hot = draw(variables, Z, jax.nn.one_hot(LABELS, 3))
    np.testing.assert_allclose(one_hot, draw(variables, Z, LABELS), atol=1e-5)


def by_hand(x, params):
    """Self-attention, pixel by pixel."""
    kernels = {n: np.asarray(params[n]["kernel"])[0, 0] for n in params if n != "gamma"}
    height, width, channels = x.shape

    def pooled(values):
        return values.reshape(height // 2, 2, width // 2, 2, -1).max((1, 3))

    keys = pooled(x @ kernels["key"]).reshape(-1, channels // 8)
    values = pooled(x @ kernels["value"]).reshape(-1, channels // 2)
    out = np.empty_like(x)
    for i in range(height):
        for j in range(width):
            scores = keys @ (x[i, j] @ kernels["query"])
            weights = np.exp(scores - scores.max())
            seen = (weights / weights.sum()) @ values
            out[i, j] = x[i, j] + params["gamma"] * (seen @ kernels["out"])
    return out


def test_attention_is_that_by_hand():
    module = parts.SelfAttention(spectral_norm=False)
    x = jax.random.normal(KEY, (2, 4, 6, 16))
    variables = initialised(module, x, False)
    found = module.apply(variables, x, False)
    expected = [by_hand(np.asarray(image), variables["params"]) for image in x]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert float(jnp.abs(found - x).max()) > 0.1


@pytest.mark.parametrize("reference", [False, True])
def test_levels_weigh_the_rows_beside_a_truncation(reference):
    table = jnp.arange(51.0)[:, None]
    for told in (0.5, jnp.float32(0.5)):
        levels = parts.truncation_levels(told, reference=reference)
        assert float(levels.read(table)[0]) == 25
    between = parts.truncation_levels(0.413, reference=reference)
    expected = 20.35 if reference else 20.65
    assert float(between.read(table)[0]) == pytest.approx(expected)
    several = parts.truncation_levels(jnp.array([1.0, 0.02]), reference=reference)
    np.testing.assert_allclose(several.read(table).ravel(), [50, 1])


def test_the_reference_s_double_precision_puts_a_level_one_row_lower():
    """.58 / .02 is 28.999999999999996; the right weights do not mind."""
    table = jnp.arange(51.0)[:, None]
    there = parts.truncation_levels(0.58, reference=True)
    here = parts.truncation_levels(0.58)
    assert float(there.read(table)[0]) == pytest.approx(28)
    assert float(here.read(table)[0]) == pytest.approx(29)


def test_noise_is_cut_at_twice_the_truncation():
    z = biggan.Generator(noise_size=8).noise(KEY, 4000, 0.5)
    assert z.shape == (4000, 8) and 0.98 < float(jnp.abs(z).max()) <= 1
    # Variance of a normal cut at 2 deviations: 1 - 4 phi(2) / (2 Phi(2) - 1) = .7737.
    standard_error = 0.25 * 0.9 / np.sqrt(z.size)
    assert abs(float(z.var()) - 0.25 * 0.7737) < 5 * standard_error


@pytest.mark.parametrize("truncation", [0.0, 1.01, -0.5, float("nan")])
def test_a_truncation_out_of_range_is_refused_in_one_line(truncation):
    with pytest.raises(ValueError, match="^truncation is above 0 and at most 1, not "):
        generator().init(KEY, Z, LABELS, truncation)


def test_sizes_without_a_layout_are_refused_in_one_line():
    with pytest.raises(ValueError, match="size is one of 32, 64, 128, 256, 512, not 1"):
        biggan.Generator(size=100).init(KEY, Z, LABELS)
    with pytest.raises(ValueError, match="width is a multiple of 4, not 6"):
        biggan.Discriminator(size=32, width=6).init(KEY, IMAGES, LABELS[:4])
