import jax
import numpy as np
import pytest

from causal_jax.data import synthetic
from causal_jax.mechanism import Mechanism

NUM = 4000


def drawn(name, seed=0, **kwargs):
    scm = synthetic.scm(name)
    params = scm.init(jax.random.key(seed))
    values = scm.sample(params, jax.random.key(100 + seed), num=NUM, **kwargs)
    return {name: np.asarray(value) for name, value in values.items()}


def unexplained(y, *causes):
    """Share of the variance of y that no quintic of the causes explains."""
    powers = np.stack(np.meshgrid(*[range(6)] * len(causes)), -1)
    powers = [p for p in powers.reshape(-1, len(causes)) if p.sum() <= 5]
    terms = [np.prod([c**k for c, k in zip(causes, p, strict=True)], 0) for p in powers]
    design = np.stack(terms, -1)
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return np.var(y - fitted) / np.var(y)


@pytest.mark.parametrize("name", synthetic.GRAPHS)
def test_every_value_is_in_range_and_varies(name):
    for values in drawn(name).values():
        assert values.shape == (NUM,)
        assert values.min() >= synthetic.LOW and values.max() <= synthetic.HIGH + 1e-6
        assert values.std() > 0.01


@pytest.mark.parametrize(
    ("name", "effect", "causes"),
    [("collider", "X2", ("X1", "X3")), ("complete", "X3", ("X1", "X2"))],
)
def test_both_causes_and_the_noise_are_needed(name, effect, causes):
    """Of three causes the reference kept the first: it explained all but 1e-13."""
    values = np.mean([_shares(name, effect, causes, seed) for seed in range(4)], axis=0)
    first, second, both = values
    assert both > 0.05, "the noise matters"
    assert first > both + 0.02 and second > both + 0.02, "each cause adds something"


def _shares(name, effect, causes, seed):
    values = drawn(name, seed)
    y, a, b = (values[node] for node in (effect, *causes))
    return unexplained(y, a), unexplained(y, b), unexplained(y, a, b)


def test_the_cubic_equals_the_sum_written_out():
    mechanism = synthetic.Polynomial()
    params = mechanism.init(jax.random.key(3), (0.0,))
    parent, noise = 0.41, 0.83
    x = [1.0, (parent - 0.05) / 0.9, noise]
    c = np.asarray(params["coefficients"], float)
    value = sum(
        c[i, j, k] * x[i] * x[j] * x[k]
        for i in range(3)
        for j in range(3)
        for k in range(3)
    )
    low, high = float(params["low"]), float(params["high"])
    expected = 0.05 + 0.9 * (value - low) / (high - low)
    found = mechanism.apply(params, (parent,), np.float32(noise))
    assert float(found) == pytest.approx(expected, abs=1e-5)


def test_do_leaves_causes_and_other_roots_unchanged():
    seen, done = drawn("collider"), drawn("collider", do={"X2": 0.5})
    np.testing.assert_array_equal(seen["X1"], done["X1"])
    np.testing.assert_array_equal(seen["X3"], done["X3"])
    assert (done["X2"] == 0.5).all()
    assert (drawn("collider", do={"X1": 0.5})["X2"] != seen["X2"]).mean() > 0.9


def test_a_key_is_a_model():
    assert isinstance(synthetic.Polynomial(), Mechanism)
    np.testing.assert_array_equal(drawn("line")["X3"], drawn("line")["X3"])
    assert (drawn("line", 0)["X3"] != drawn("line", 1)["X3"]).mean() > 0.9


def test_an_unknown_graph_is_one_line():
    with pytest.raises(ValueError, match="did you mean 'collider'") as error:
        synthetic.scm("colider")
    assert "\n" not in str(error.value)
