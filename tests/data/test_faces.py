"""The faces: what a drawn data set with known laws must keep."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph
from causal_jax.data import faces

SIZES = (32, 64)

# The part of the frame a label may change, as a share of the pixels: Male (hair and
# jaw) and Young (hair) are the largest.
LARGEST_SHARE = {"Young": 0.45, "Male": 0.40, "Bald": 0.25}
OTHER_SHARE = 0.15


@pytest.fixture(scope="module")
def units():
    """Independent labels [64, 9] and nuisances [64, 8]."""
    key_labels, key_nuisances = jax.random.split(jax.random.key(0))
    labels = jax.random.bernoulli(key_labels, 0.5, (64, len(faces.LABELS)))
    nuisances = jax.random.uniform(key_nuisances, (64, len(faces.NUISANCES)))
    return labels.astype(jnp.float32), nuisances


def draw(labels, nuisances, size=32):
    one = jax.jit(jax.vmap(lambda y, u: faces.render(y, u, size=size)))
    return np.asarray(one(labels, nuisances))


@pytest.mark.parametrize("size", SIZES)
def test_images_have_the_promised_shape_and_range(units, size):
    images = draw(*units, size)
    assert images.shape == (64, size, size, 3)
    assert images.dtype == np.float32
    assert images.min() >= -1.0
    assert images.max() <= 1.0


def test_extreme_nuisances_stay_in_range():
    corners = jnp.asarray(list(itertools.product((0.0, 1.0), repeat=8)))
    images = draw(jnp.zeros((256, 9)), corners)
    assert np.isfinite(images).all()
    assert np.abs(images).max() <= 1.0


def test_sizes_show_the_same_drawing(units):
    large = draw(*units, 64).reshape(64, 32, 2, 32, 2, 3).mean((2, 4))
    # Edges differ by their width, flat parts not at all.
    assert np.abs(large - draw(*units, 32)).mean() < 0.04


@pytest.mark.parametrize("name", faces.LABELS)
def test_a_label_changes_a_bounded_part_and_always_visibly(units, name):
    labels, nuisances = units
    column = faces.LABELS.index(name)
    pair = [draw(labels.at[:, column].set(v), nuisances) for v in (0.0, 1.0)]
    change = np.abs(pair[1] - pair[0]).max(-1)
    assert (change > 0.02).mean((1, 2)).max() < LARGEST_SHARE.get(name, OTHER_SHARE)
    assert ((change > 0.1).sum((1, 2)) >= 6).all()


def test_the_head_never_touches_the_upper_corners_or_sides():
    labels = jnp.asarray(list(itertools.product((0.0, 1.0), repeat=9)))
    for offset, width in itertools.product((0.0, 1.0), repeat=2):
        nuisances = jnp.full((512, 8), 0.5)
        nuisances = nuisances.at[:, faces.NUISANCES.index("offset_x")].set(offset)
        nuisances = nuisances.at[:, faces.NUISANCES.index("face_width")].set(width)
        nuisances = nuisances.at[:, faces.NUISANCES.index("offset_y")].set(0.0)
        images = draw(labels, nuisances)
        rim = np.concatenate(
            [images[:, :1, :].reshape(512, -1, 3), images[:, :20, 0]], 1
        )
        # The background alone, which is the same for all labels.
        assert np.ptp(rim, axis=0).max() < 1e-5


@pytest.mark.parametrize("name", faces.NUISANCES)
def test_a_nuisance_changes_the_image_whatever_the_labels_are(units, name):
    labels, nuisances = units
    column = faces.NUISANCES.index(name)
    pair = [draw(labels, nuisances.at[:, column].set(v)) for v in (0.25, 0.75)]
    assert (np.abs(pair[1] - pair[0]).max((1, 2, 3)) > 0.05).all()


def test_gradients_in_the_nuisances_are_finite_and_none_is_zero(units):
    labels, nuisances = units
    loss = jax.grad(lambda u, y: jnp.sum(faces.render(y, u) ** 2))
    gradients = jax.jit(jax.vmap(loss))(nuisances[:16], labels[:16])
    assert np.isfinite(gradients).all()
    assert (np.abs(gradients) > 0).all()


def test_tables_are_probabilities_with_exact_zeros_only_for_women():
    women = {"Mustache": lambda t: t[:, 0], "Bald": lambda t: t[:, 0]}
    for name in faces.LABELS:
        table = np.asarray(faces.CPTS[name], float)
        if name in women:
            assert (women[name](table) == 0.0).all()
            table = table[:, 1]
        assert table.min() >= 0.01
        assert table.max() <= 0.99


def test_labels_are_the_nodes_of_causal_graph_1():
    scm, params = faces.label_scm()
    assert scm.nodes == faces.LABELS
    assert graph.signature(scm.graph) == graph.signature(
        graph.named("big_causal_graph")
    )
    for name in faces.LABELS:
        assert params[name]["probs"].shape == (2,) * (len(scm.parents[name]) + 1)


def test_women_with_a_mustache_and_bald_women_are_never_seen():
    scm, params = faces.label_scm()
    seen = scm.sample(params, jax.random.key(1), num=100_000)
    women = np.asarray(seen["Male"]) == 0
    assert not np.asarray(seen["Mustache"])[women].any()
    assert not np.asarray(seen["Bald"])[women].any()


def _marginal(scm, name, do):
    """P(name = 1) under do, by summing the truncated product over all 512 worlds."""
    total = 0.0
    for world in itertools.product((0, 1), repeat=9):
        world = dict(zip(faces.LABELS, world, strict=True))
        if not world[name] or any(world[n] != v for n, v in do.items()):
            continue
        prob = 1.0
        for node in set(faces.LABELS) - set(do):
            one = np.asarray(faces.CPTS[node])[
                tuple(world[p] for p in scm.parents[node])
            ]
            prob *= one if world[node] else 1.0 - one
        total += prob
    return total


@pytest.mark.parametrize("do", [{}, {"Male": 0}, {"Smiling": 1}, {"Young": 0}])
def test_samples_match_the_truncated_product(do):
    scm, params = faces.label_scm()
    num = 100_000
    values = scm.sample(params, jax.random.key(2), num=num, do=do)
    for name in faces.LABELS:
        true = min(_marginal(scm, name, do), 1.0)  # a sum of rounded products
        # At least 1e-6: a float32 table row is rounded.
        bound = 5 * np.sqrt(true * (1 - true) / num) + 1e-6
        assert abs(np.asarray(values[name], float).mean() - true) <= bound, name


def test_a_counterfactual_image_is_the_same_noise_under_other_labels():
    scm, params = faces.scm()
    factual, other = scm.twins(params, jax.random.key(3), num=16, do={"Eyeglasses": 1})
    nuisances = scm.sample_noise(jax.random.key(3), 16)["image"]
    labels = jnp.stack([other[n] for n in faces.LABELS], 1).astype(jnp.float32)
    assert np.abs(other["image"] - draw(labels, nuisances)).max() < 1e-5
    wore = np.asarray(factual["Eyeglasses"]) == 1
    # To rounding: the two worlds are two compiled programs.
    gaps = np.abs(factual["image"] - other["image"]).max((1, 2, 3))
    assert (gaps[wore] < 1e-5).all() and (gaps[~wore] > 0.1).all()
