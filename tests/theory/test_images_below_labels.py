"""Corollary 1: a label model and an image below it are one causal generative model.

Kocaoglu et al. (2017): with the image a sink, for every intervention on labels

    P(l, x | do(l_i = v)) = P(l | do(l_i = v)) P(x | l).

The renderer here is a toy whose images are few enough to be counted: 2x2 grey pixels,
a deterministic function of the labels and of a brightness drawn at random.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.queries import laws
from causal_jax.scm import SCM
from causal_jax.tabular import categorical

NUM = 20_000
BRIGHTNESS = np.array([0.5, 0.3, 0.2])  # law of the noise: three levels


@dataclasses.dataclass(frozen=True)
class Toy:
    """Pixels: [is male, has a mustache and is bright], [smiles or dark, brightness].

    The last three depend on the noise: the image does not determine the labels.
    """

    def init(self, key, parents):
        return {}

    def noise(self, key, num):
        return jax.random.uniform(key, (num,))

    def apply(self, params, parents, noise):
        male, mustache, smiling = parents
        level = jnp.sum(noise >= jnp.asarray(BRIGHTNESS).cumsum()[:2])
        lower = [smiling | (level == 0), level]
        return jnp.array([[male, mustache & (level == 2)], lower]).astype(jnp.int32)


NODES = ("Male", "Mustache", "Smiling")
NUM_IMAGES = 2 * 2 * 2 * 3


@pytest.fixture(scope="module")
def model():
    tables = {
        "Male": [0.6, 0.4],
        "Mustache": [[0.97, 0.03], [0.6, 0.4]],
        "Smiling": [[[0.5, 0.5], [0.7, 0.3]], [[0.2, 0.8], [0.6, 0.4]]],
    }
    built = {name: categorical(table) for name, table in tables.items()}
    graph = graphs.read("Male -> Mustache ; Male, Mustache -> Smiling")
    labels = SCM(graph, {name: pair[0] for name, pair in built.items()})
    scm = labels.extend("image", parents=NODES, mechanism=Toy())
    params = {name: pair[1] for name, pair in built.items()} | {"image": {}}
    return labels, scm, params


def image_number(images):
    flat = np.asarray(images).reshape(-1, 4)
    return np.ravel_multi_index(flat.T, (2, 2, 2, 3))


def images_given_labels():
    """P(x | l), [labels, images]: the renderer, run through by hand."""
    law = np.zeros((8, NUM_IMAGES))
    for row, (male, mustache, smiling) in enumerate(laws.all_rows((2, 2, 2))):
        for level, prob in enumerate(BRIGHTNESS):
            pixels = [male, mustache * (level == 2), smiling or level == 0, level]
            law[row, image_number(pixels)] += prob
    return law


def joint_law(model, do=None):
    """P(l | do) P(x | l), [labels, images]."""
    labels, _, params = model
    return laws.exact_law(labels, params, do)[:, None] * images_given_labels()


def frequencies(values):
    labels = np.ravel_multi_index([np.asarray(values[n]) for n in NODES], (2, 2, 2))
    index = labels * NUM_IMAGES + image_number(values["image"])
    return np.bincount(index, minlength=8 * NUM_IMAGES).reshape(8, -1) / len(index)


@pytest.mark.parametrize("name", NODES)
def test_images_after_an_intervention_have_the_product_law(
    model, assert_frequencies, name
):
    _, scm, params = model
    for state in (0, 1):
        do = {name: state}
        done = scm.sample(params, jax.random.key(state), num=NUM, do=do)
        law = joint_law(model, do)
        assert_frequencies(frequencies(done), law, NUM)
        # Images alone: the mixture of P(x | l) over the labels after do.
        assert_frequencies(frequencies(done).sum(0), law.sum(0), NUM)


def test_images_done_are_not_images_seen(model, assert_frequencies):
    """P(Male) in pictures of do(Mustache = 1) is what it was; given one it is not."""
    _, scm, params = model
    has = laws.all_rows((2, 2, 2))[:, 1] == 1
    seen = np.where(has[:, None], joint_law(model), 0)
    seen /= seen.sum()
    drawn = scm.sample(params, jax.random.key(2), num=NUM, given={"Mustache": 1})
    assert_frequencies(frequencies(drawn), seen, NUM)
    done = joint_law(model, {"Mustache": 1})
    male = np.unravel_index(np.arange(NUM_IMAGES), (2, 2, 2, 3))[0] == 1
    assert done[:, male].sum() == pytest.approx(0.4, abs=1e-6)
    assert seen[:, male].sum() == pytest.approx(0.16 / (0.16 + 0.018), abs=1e-6)


def test_an_image_put_there_changes_no_label(model):
    _, scm, params = model
    key = jax.random.key(3)
    seen = scm.sample(params, key, num=100)
    blank = np.zeros((2, 2), np.int32)
    done = scm.sample(params, key, num=100, do={"image": blank})
    assert (np.asarray(done["image"]) == 0).all()
    for name in NODES:
        np.testing.assert_array_equal(done[name], seen[name])
