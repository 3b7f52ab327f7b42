"""Counterfactual generative networks as a causal model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.networks.cgn import mnist
from causal_jax.networks.cgn.parts import shifted, standardised
from causal_jax.runs import spec
from causal_jax.scm import SCM

NUM = 6


@pytest.fixture(scope="module")
def model():
    scm = mnist.scm(width=2, noise_size=5, init_scale=1.0, abduction_steps=5)
    return scm, jax.jit(scm.init)(jax.random.key(0))


@pytest.fixture(scope="module")
def seen(model):
    scm, params = model
    return scm.sample(params, jax.random.key(1), num=NUM)


def num_parameters(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params["params"]))


def test_it_has_the_reference_s_parameters():
    scm = mnist.scm()
    shapes = jax.eval_shape(scm.init, jax.random.key(0))
    found = {part: num_parameters(shapes[part]) for part in mnist.PARTS}
    embedding = 100  # part of each mechanism here
    assert found["shape"] - embedding == 194_914
    assert found["texture"] == found["background"] == 232_489 + embedding
    assert sum(found.values()) - 2 * embedding == 659_992
    assert not jax.tree.leaves([shapes[n] for n in (*mnist.LABELS, "image")])


def test_values_have_their_shapes_and_ranges(seen):
    assert seen["shape"].shape == (NUM, 32, 32, 1)
    for name in ("texture", "background", "image"):
        assert seen[name].shape == (NUM, 32, 32, 3)
        assert float(jnp.abs(seen[name]).max()) <= 1
    low, high = np.float32(mnist.MASK_RANGE)
    assert seen["shape"].min() == low and seen["shape"].max() == high


def test_image_is_the_composition_of_the_parts(seen):
    mask = np.asarray(seen["shape"])
    composed = mask * seen["texture"] + (1 - mask) * seen["background"]
    np.testing.assert_allclose(seen["image"], composed, atol=1e-6)


def test_labels_are_uniform_and_independent(model, assert_frequencies):
    scm, params = model
    num = 20_000
    noise = {
        name: scm.sample_noise(jax.random.key(2), num)[name] for name in mnist.LABELS
    }
    states = [
        np.asarray(
            jax.vmap(lambda u, n=n: scm.mechanisms[n].apply({}, (), u))(noise[n])
        )
        for n in mnist.LABELS
    ]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        joint = np.bincount(10 * states[a] + states[b], minlength=100) / num
        assert_frequencies(joint, np.full(100, 0.01), num)


@pytest.mark.parametrize(
    ("label", "part"), list(zip(mnist.LABELS, mnist.PARTS, strict=True))
)
def test_another_label_moves_its_own_mechanism_only(model, label, part):
    scm, params = model
    factual, changed = scm.twins(params, jax.random.key(3), num=NUM, do={label: 7})
    moved = np.asarray(factual[label]) != 7
    assert moved.any()
    for name in mnist.PARTS:
        same = (np.asarray(factual[name]) == np.asarray(changed[name])).all((1, 2, 3))
        np.testing.assert_array_equal(same, ~moved if name == part else True)


def test_do_leaves_non_descendants_unchanged(model, seen):
    scm, params = model
    done = scm.sample(
        params, jax.random.key(1), num=NUM, do={"texture_label": np.arange(NUM)}
    )
    for name in ("shape", "background", "shape_label"):
        np.testing.assert_array_equal(done[name], seen[name])
    np.testing.assert_array_equal(done["texture_label"], np.arange(NUM))


def test_a_part_can_be_put_in_from_outside(model):
    scm, params = model
    mask = np.full((32, 32, 1), 0.25, np.float32)
    values = scm.sample(params, jax.random.key(1), num=2, do={"shape": mask})
    composed = 0.25 * values["texture"] + 0.75 * values["background"]
    np.testing.assert_allclose(values["image"], composed, atol=1e-6)


def test_null_counterfactual_is_the_factual_and_others_keep_the_rest(model, seen):
    scm, params = model
    factual = {name: value[:2] for name, value in seen.items()}
    key = jax.random.key(4)
    same = scm.counterfactual(params, key, factual, do={})
    for name, value in factual.items():
        np.testing.assert_allclose(same[name], value, atol=1e-5)
    wanted = (np.asarray(factual["background_label"]) + 1) % 10
    other = scm.counterfactual(params, key, factual, do={"background_label": wanted})
    for name in ("shape", "texture"):
        np.testing.assert_allclose(other[name], factual[name], atol=1e-5)
    assert (np.asarray(other["background"]) != factual["background"]).any()


def test_an_image_alone_cannot_be_abducted_and_says_so(model, seen):
    scm, params = model
    with pytest.raises(ValueError, match="'image' has no log_prob"):
        scm.abduct(params, jax.random.key(5), {"image": seen["image"]})


def test_sample_does_not_depend_on_the_rest_of_the_batch(model, seen):
    scm, params = model
    noise = jax.tree.map(lambda x: x[:1], scm.sample_noise(jax.random.key(1), NUM))
    alone = jax.vmap(scm.evaluate, in_axes=(None, 0))(params, noise)["image"]
    np.testing.assert_allclose(alone, seen["image"][:1], atol=1e-5)


@pytest.mark.parametrize("part", mnist.PARTS[:2])
def test_training_mode_updates_statistics_only(model, part):
    scm, params = model
    mechanism = scm.mechanisms[part]
    noise = mechanism.noise(jax.random.key(6), 3)
    values, updated = mechanism.apply_train(params[part], jnp.arange(3), noise)
    batched = mechanism.images(updated, jnp.arange(3), noise)
    assert values.shape == batched.shape
    same = jax.tree.map(np.array_equal, updated["params"], params[part]["params"])
    assert all(jax.tree.leaves(same))
    moved = jax.tree.map(
        lambda a, b: not np.array_equal(a, b),
        updated["batch_stats"],
        params[part]["batch_stats"],
    )
    assert all(jax.tree.leaves(moved))


def test_shuffler_cuts_the_tiled_texture():
    image = np.random.default_rng(0).normal(size=(33, 32, 32, 3)).astype(np.float32)
    offsets = np.stack([np.arange(33), np.arange(33)[::-1]], -1)
    tiled = np.tile(image, (1, 2, 2, 1))
    cut = [t[a : a + 32, b : b + 32] for t, (a, b) in zip(tiled, offsets, strict=True)]
    np.testing.assert_array_equal(shifted(image, offsets), np.stack(cut))


def test_offsets_are_the_reference_s_33_places(model):
    scm, _ = model
    offset = scm.mechanisms["texture"].noise(jax.random.key(7), 4000)["offset"]
    assert offset.shape == (4000, 2)
    assert (int(offset.min()), int(offset.max())) == (0, 32)


def test_without_the_shuffler_there_is_no_offset():
    scm = mnist.scm(width=2, noise_size=3, shuffle=False)
    noise = scm.mechanisms["texture"].noise(jax.random.key(0), 2)
    assert set(noise) == {"z"}


def test_standardised_is_what_it_says():
    x = np.random.default_rng(1).normal(2, 3, (2, 3, 4, 5)).astype(np.float32)
    y = np.asarray(standardised(x))
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((1, 2)), 1, atol=1e-4)


@pytest.mark.parametrize("kind", ["orthogonal", "normal"])
def test_weights_start_as_said(kind):
    part = mnist.Texture(width=4, init_kind=kind, init_scale=0.2)
    start = jax.jit(lambda key: part.init(key, ()))(jax.random.key(0))["params"]
    kernel = np.asarray(start["conv_0"]["kernel"]).reshape(-1, 8)
    if kind == "orthogonal":
        np.testing.assert_allclose(kernel.T @ kernel, 0.04 * np.eye(8), atol=1e-5)
    else:
        assert abs(kernel.std() - 0.2) < 5 * 0.2 / np.sqrt(2 * kernel.size)
    scale = np.asarray(start["norm_0"]["norm"]["scale"])
    assert abs(scale.mean() - 1) < 5 * 0.2 / np.sqrt(8) and scale.std() > 0
    assert not np.asarray(start["linear"]["bias"]).any()


def test_a_label_of_other_states_is_refused():
    scm = mnist.scm()
    mechanisms = {**scm.mechanisms, "shape_label": mnist.Uniform(4)}
    with pytest.raises(ValueError, match="'shape' has one parent, a label with 10"):
        # Without state names: they come from the mechanisms.
        SCM(graphs.build(scm.graph.edges, nodes=scm.nodes), mechanisms)


def test_a_run_s_specification_keeps_the_model(tmp_path):
    scm = mnist.scm(width=3, init_kind="normal", init_scale=0.03, shuffle=False)
    spec.save_spec(tmp_path, scm)
    assert spec.load_spec(tmp_path) == scm


def test_textures_can_have_a_width_of_their_own():
    scm = mnist.scm(width=4, texture_width=2)
    widths = {part: scm.mechanisms[part].width for part in mnist.PARTS}
    assert widths == {"shape": 4, "texture": 2, "background": 2}


def test_textures_without_a_norm_before_tanh():
    scm = mnist.scm(width=4, norm_output=False)
    params = scm.init(jax.random.key(0))
    assert set(params["texture"]["batch_stats"]) == {"norm_0", "norm_1"}
    # Whatever else is in the batch: a constant texture stays what its bias says.
    last = params["texture"]["params"]["conv_2"]
    last |= {"kernel": jnp.zeros_like(last["kernel"]), "bias": jnp.full(3, -4.0)}
    noise = scm.mechanisms["texture"].noise(jax.random.key(1), 10)
    values, _ = scm.mechanisms["texture"].apply_train(
        params["texture"], jnp.arange(10), noise
    )
    np.testing.assert_allclose(values, np.tanh(-4.0), rtol=1e-6)


def test_truncation_narrows_the_shape_s_noise_only():
    wide, narrow = mnist.scm(), mnist.scm(truncation=0.5)
    key = jax.random.key(0)
    for part, factor in (("shape", 0.5), ("texture", 1.0)):
        a, b = (scm.mechanisms[part].noise(key, 5)["z"] for scm in (wide, narrow))
        np.testing.assert_allclose(factor * a, b)


def test_a_plain_gan_is_a_label_and_the_image_it_causes():
    scm = mnist.gan(width=2, noise_size=3)
    assert scm.nodes == ("label", "image") and mnist.trained_nodes(scm) == ("image",)
    assert mnist.trained_nodes(mnist.scm()) == mnist.PARTS
    params = scm.init(jax.random.key(0))
    # Its noise is all that varies: standard normal, and no shuffler moves the image.
    noise = scm.sample_noise(jax.random.key(1), 1000)["image"]
    assert noise.keys() == {"z"} and 0.95 < np.std(noise["z"]) < 1.05
    values = scm.sample(params, jax.random.key(1), num=2)
    assert values["image"].shape == (2, 32, 32, 3)
