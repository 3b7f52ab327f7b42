import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from causal_jax import graph as graphs
from causal_jax.networks.controller import controller
from causal_jax.networks.image import ImageGenerator

GRAPH = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
KINDS = {
    "compact": ImageGenerator((2, 3), resolution=16, width=4, noise_size=5),
    "modulated": ImageGenerator(
        (2, 3), resolution=16, width=4, noise_size=5, modulated=True
    ),
    "dcgan": ImageGenerator(
        (2, 3),
        resolution=16,
        width=4,
        noise_size=5,
        architecture="dcgan",
        label_noise="reference",
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    labels = controller(GRAPH, hidden=(4,))
    scm = labels.extend("image", parents=labels.nodes, mechanism=KINDS[request.param])
    return scm, scm.init(jax.random.key(0))


def test_unit_equals_batched_module_in_evaluation_mode(model):
    scm, params = model
    mechanism = scm.mechanisms["image"]
    values = scm.sample(params, jax.random.key(1), num=4)
    noise = scm.sample_noise(jax.random.key(1), 4)["image"]
    codes = jax.vmap(lambda a, b: mechanism.encode((a, b)))(values["A"], values["B"])
    features = mechanism.features(codes, noise)
    batch = mechanism.module().apply(params["image"], noise["z"], features, False)
    np.testing.assert_allclose(values["image"], batch, atol=1e-5)
    assert values["image"].shape == (4, 16, 16, 3)
    assert float(jnp.abs(batch).max()) <= 1


def test_image_sees_labels_in_the_graphs_order(model):
    scm, _ = model
    mechanism = scm.mechanisms["image"]
    code = mechanism.encode((jnp.int32(1), jnp.int32(2)))
    assert code.tolist() == [1, 0, 0, 1]


def test_sample_does_not_depend_on_the_rest_of_the_batch(model):
    scm, params = model
    noise = jax.tree.map(lambda x: x[:1], scm.sample_noise(jax.random.key(2), 5))
    alone = jax.vmap(scm.evaluate, in_axes=(None, 0))(params, noise)["image"][0]
    noise = scm.sample_noise(jax.random.key(2), 5)
    together = jax.vmap(scm.evaluate, in_axes=(None, 0))(params, noise)["image"][0]
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_training_mode_updates_statistics_only(model):
    scm, params = model
    mechanism = scm.mechanisms["image"]
    codes = jnp.zeros((3, 4))
    noise = mechanism.noise(jax.random.key(3), 3)
    _, updated = mechanism.apply_train(params["image"], codes, noise)
    same = jax.tree.map(np.array_equal, updated["params"], params["image"]["params"])
    assert all(jax.tree.leaves(same))
    moved = jax.tree.map(
        np.array_equal, updated["batch_stats"], params["image"]["batch_stats"]
    )
    assert not all(jax.tree.leaves(moved))


def test_image_needs_its_labels_to_be_abducted_and_says_so(model):
    scm, params = model
    image = scm.sample(params, jax.random.key(4), num=2)["image"]
    with pytest.raises(ValueError, match="'image' has no log_prob"):
        scm.abduct(params, jax.random.key(5), {"image": image})


def test_twin_of_a_leaf_label_keeps_every_other_label(model):
    scm, params = model
    factual, changed = scm.twins(params, jax.random.key(6), num=8, do={"B": "z"})
    np.testing.assert_array_equal(factual["A"], changed["A"])
    kept = np.asarray(factual["B"]) == 2
    np.testing.assert_array_equal(factual["image"][kept], changed["image"][kept])


@pytest.mark.parametrize("resolution", [4, 24, 33])
def test_impossible_resolution_is_refused(resolution):
    with pytest.raises(ValueError, match=f"a power of two from 8 on.*not {resolution}"):
        ImageGenerator((2, 3), resolution=resolution)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("width", 0, "width is at least 1, not 0"),
        ("noise_size", -1, "noise_size is at least 1, not -1"),
        ("architecture", "unet", "is one of compact, dcgan, began, not 'unet'"),
        ("label_noise", "loud", "label_noise is none or one of .*, not 'loud'"),
    ],
)
def test_impossible_settings_are_refused(name, value, message):
    with pytest.raises(ValueError, match=message):
        ImageGenerator((2, 3), **{name: value})


def test_parents_that_do_not_fit_are_refused():
    labels = controller(GRAPH, hidden=(4,))
    with pytest.raises(ValueError, match="is for parents with"):
        labels.extend("image", parents=("A",), mechanism=KINDS["compact"])


def test_a_modulated_layer_is_scaled_and_shifted_by_noise_and_codes():
    """Without its modulation it is the plain generator; a shift moves every layer."""
    plain, modulated = KINDS["compact"], KINDS["modulated"]
    params = modulated.init(jax.random.key(0), ())
    codes, noise = jnp.ones((3, 4)), modulated.noise(jax.random.key(1), 3)
    dense = {name: layer for name, layer in params["params"].items() if "Dense" in name}
    assert dense.keys() == {"Dense_0", "Dense_1", "Dense_2"}  # the first, two layers
    silent = {
        name: jax.tree.map(jnp.zeros_like, layer) if name != "Dense_0" else layer
        for name, layer in dense.items()
    }
    without = {**params, "params": {**params["params"], **silent}}
    same = modulated.images(without, codes, noise)
    kept = {n: x for n, x in params["params"].items() if n not in dense}
    as_plain = {**params, "params": {**kept, "Dense_0": dense["Dense_0"]}}
    np.testing.assert_allclose(same, plain.images(as_plain, codes, noise), atol=1e-6)
    assert jnp.abs(modulated.images(params, codes, noise) - same).max() > 1e-4
    kernel = dense["Dense_1"]["kernel"]
    assert kernel.shape == (5 + 4, 2 * 8)  # of [noise, codes]: 8 scales, 8 shifts
    for column in (0, 8):  # of the first channel, by the first label
        moved = kernel.at[5, column].add(1.0)
        other = {**params["params"], "Dense_1": {**dense["Dense_1"], "kernel": moved}}
        changed = modulated.images({**params, "params": other}, codes, noise)
        assert jnp.abs(changed - modulated.images(params, codes, noise)).max() > 1e-5


def test_only_the_compact_generator_is_modulated():
    with pytest.raises(ValueError, match="only a compact generator is modulated"):
        ImageGenerator((2,), architecture="dcgan", modulated=True)


def test_the_discriminator_learns_nothing_of_the_noise_estimate():
    critics = KINDS["dcgan"].critics()
    images = jax.random.normal(jax.random.key(0), (4, 16, 16, 3))
    params = critics.init(jax.random.key(1), images, False)

    def error(trained, learns):
        readings, _ = critics.apply(
            {**params, "params": trained}, images, True, learns, mutable=["batch_stats"]
        )
        return jnp.mean(readings.noise**2)

    for learns in (False, True):
        gradient = jax.grad(error)(params["params"], learns)
        sizes = {name: optax.tree.norm(leaves) for name, leaves in gradient.items()}
        assert float(sizes["NoiseEstimator_0"]) > 0
        assert (float(sizes["Discriminator_0"]) > 0) is not learns
