"""Training of the counterfactual generative network of natural images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.losses import cgn as style_losses
from causal_jax.losses import cgn_imagenet as losses
from causal_jax.networks.cgn import imagenet, mnist
from causal_jax.networks.cgn.composition import PARTS, compose
from causal_jax.training import cgn_imagenet as training

pytestmark = pytest.mark.slow

COLLAGE = {"working_size": 16, "patch": 4, "num_best": 20, "grid": 4}
FEATURES = {"kernel": np.random.RandomState(0).randn(3, 3, 3, 6).astype(np.float32)}
WEIGHTS = training.Weights(
    l1=2.0, perceptual=(0.05,), binary=0.5, size=3.0, texture=(0.03,), background=0.7
)


def features_fn(params, images):
    convolved = jax.lax.conv_general_dilated(
        images,
        params["kernel"],
        (2, 2),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return (jnp.abs(convolved),)


@pytest.fixture(scope="module")
def model():
    """A model whose masker has a few channels, with random weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(imagenet.MASKERS, "u2netp", ((2, 4),) * 11)
        scm = imagenet.scm(
            size=32,
            width=4,
            num_classes=3,
            noise_size=5,
            embedding_size=4,
            num_levels=1,
            spectral_norm=True,
            rgb_features=3,
            masker="u2netp",
        )
        yield scm, scm.init(jax.random.key(0))


def algorithm(model, **settings):
    scm, params = model

    def start(key):
        del key
        return params, params["texture"], FEATURES

    settings = {"batch_size": 4, "weights": WEIGHTS, "collage": COLLAGE, **settings}
    return training.cgn_imagenet(scm, start, features_fn, **settings)


LABELS = jnp.array([0, 2, 1, 2])


@pytest.fixture(scope="module")
def stepped(model):
    """One step whose batch is computed in two parts."""
    found = algorithm(model, num_accumulated=2, average_rate=0.01)
    state = found.init(jax.random.key(1))._replace(step=jnp.int32(10_000))  # of many
    return state, *jax.jit(found.step)(state, {"labels": LABELS}, jax.random.key(2))


def style(a, b, weight):
    maps = (features_fn(FEATURES, a), features_fn(FEATURES, b))
    return style_losses.style_loss(*maps, [5000 * weight**2])


def test_the_terms_are_the_losses_of_what_is_drawn(model, stepped):
    """Computed once more, from the mechanisms, on the step's own noise."""
    scm, params = model
    _, _, info = stepped
    key_noise, key_collage = jax.random.split(jax.random.key(2))
    noise = scm.mechanisms["texture"].noise(key_noise, 4)
    keys = jax.random.split(key_collage, 4)
    masker = scm.mechanisms["shape"]
    module = scm.mechanisms["texture"].module()
    variables = {part: params[part]["generator"] for part in PARTS}
    draw = jax.jit(
        lambda own, z, labels: module.apply(
            own, z, labels, 1.0, True, mutable=["spectral"]
        )
    )
    expected = {name: [] for name in info._fields}
    for rows in (slice(0, 2), slice(2, 4)):
        labels, z = LABELS[rows], noise[rows]
        target = scm.mechanisms["texture"].drawn(params["texture"], labels, z)
        pictures = {}
        for part in PARTS:  # power iterations go on from part to part
            pictures[part], new = draw(variables[part], z, labels)
            variables[part] = {**variables[part], **new}
        masks = masker.finish(params["shape"], pictures["shape"])
        image = compose(masks, pictures["texture"], pictures["background"])
        patches = losses.collage(target, masks, keys[rows], **COLLAGE)
        saliency = masker.saliency(params["shape"], pictures["background"])
        terms = {
            "l1": 2.0 * jnp.abs(image - target).mean(),
            "perceptual": style(image, target, 0.05),
            "binary": 0.5 * style_losses.mask_entropy(masks),
            "size": 3.0 * losses.mask_size(masks),
            "texture": style(pictures["texture"], patches, 0.03),
            "background": 0.7 * saliency.mean(),
        }
        for name, value in terms.items():
            expected[name].append(float(value))
        expected["loss"].append(float(sum(terms.values())))
        expected["mask_mean"].append(float(masks.mean()))
    for name, values in expected.items():
        found = float(getattr(info, name))
        assert found == pytest.approx(np.mean(values), rel=1e-3, abs=1e-6), name


def test_generators_learn_and_nothing_else_changes(stepped):
    before, after, _ = stepped
    for part in PARTS:
        old, new = before.model[part]["generator"], after.model[part]["generator"]
        moved = jax.tree.map(lambda a, b: bool((a != b).any()), old, new)
        assert all(jax.tree.leaves(moved["params"]["to_rgb"])), part
        assert sum(jax.tree.leaves(moved["params"])) > 0.9 * len(
            jax.tree.leaves(moved["params"])
        )
        assert not any(jax.tree.leaves(moved["batch_stats"]))
        assert any(jax.tree.leaves(moved["spectral"]))
        # Weights are averaged; the mean of unit directions would be too short.
        average = after.average[part]["generator"]
        for x in jax.tree.leaves(average["spectral"]):
            assert float(jnp.linalg.norm(x)) == pytest.approx(1, abs=1e-4)
        assert jax.tree.all(
            jax.tree.map(np.array_equal, average["spectral"], new["spectral"])
        )
        kernels = (m["params"]["to_rgb"] for m in (average, old, new))
        mean, first, last = (jax.tree.leaves(k)[-1] for k in kernels)
        assert float(abs(mean - first).max()) < 0.1 * float(abs(last - first).max())
    for a, b in (
        (before.model["shape"]["masker"], after.model["shape"]["masker"]),
        (before.target, after.target),
        (before.features, after.features),
    ):
        assert all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))


def test_a_batch_that_does_not_divide_is_refused(model):
    with pytest.raises(ValueError, match="batch_size=4 is no multiple of 3 parts"):
        algorithm(model, num_accumulated=3)


def test_another_model_is_refused(model):
    with pytest.raises(ValueError, match="no generated 'shape'"):
        algorithm((mnist.scm(), model[1]))
