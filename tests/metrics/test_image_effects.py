"""Do against see in images, held to the true renderer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.data import faces
from causal_jax.metrics.image_effects import do_versus_see
from causal_jax.recipes.labels_images.faces_judge import load_faces_judge
from causal_jax.tabular import categorical

NUM = 128  # half of a chunk: both states of a label are one compiled draw
EFFECT = {"cause": "Mustache", "effect": "Male"}


@pytest.fixture(scope="module")
def judge():
    return load_faces_judge()


@pytest.fixture(scope="module")
def true():
    return faces.scm(32)


def test_do_and_see_differ_in_the_images_as_in_the_truth(true, judge):
    result = do_versus_see(
        *true, judge, jax.random.key(8), **EFFECT, num=4 * NUM, truth=true
    )
    assert result.true_do == pytest.approx(0.42, abs=1e-6)
    assert result.true_given == pytest.approx(1.0, abs=1e-6)
    error = np.sqrt(0.42 * 0.58 / (4 * NUM))
    assert abs(result.do.value - result.true_do) <= 5 * error
    assert result.do.standard_error == pytest.approx(error, rel=0.2)
    assert result.given.value >= 0.98


def test_a_cause_that_never_occurs_gives_no_see(true, judge):
    scm, params = true
    never, table = categorical((1.0, 0.0))
    del never
    rows = jnp.broadcast_to(table["probs"], (2, 2, 2))
    params = {**params, "Mustache": {"probs": rows}}
    result = do_versus_see(
        scm, params, judge, jax.random.key(9), **EFFECT, num=NUM, max_draws=5000
    )
    assert result.given is None
    assert result.true_do is None
    assert abs(result.do.value - 0.42) <= 5 * np.sqrt(0.42 * 0.58 / NUM)
