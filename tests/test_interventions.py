import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import interventions as iv
from causal_jax.additive_noise import AdditiveNoise, Constant
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular, categorical

NUM = 64
KEY = jax.random.key(0)


def double(params, x):
    return 2 * x


def above_zero(value, parents):
    return jnp.maximum(value, parents[0])


@pytest.fixture(scope="module")
def numbers():
    """x -> y -> z, all y-values twice their parent's plus noise."""
    mechanisms = {
        "x": AdditiveNoise(lambda params: 0.0),
        "y": AdditiveNoise(double),
        "z": AdditiveNoise(double),
    }
    scm = SCM("x -> y -> z", mechanisms)
    return scm, scm.init(KEY)


def test_set_puts_its_value_and_children_see_it(numbers):
    scm, params = numbers
    seen = scm.sample(params, KEY, num=NUM)
    done = scm.sample(params, KEY, num=NUM, do={"y": 1.5})
    np.testing.assert_array_equal(done["y"], np.full(NUM, 1.5))
    shift = done["z"] - seen["z"]
    np.testing.assert_allclose(shift, 2 * (1.5 - seen["y"]), atol=1e-5)


def test_shift_and_scale_act_on_the_natural_value(numbers):
    scm, params = numbers
    seen = scm.sample(params, KEY, num=NUM)
    for intervention, expected in [
        (iv.Shift(3.0), seen["y"] + 3.0),
        (iv.Scale(-2.0), seen["y"] * -2.0),
        (iv.Shift(np.arange(NUM)), seen["y"] + np.arange(NUM)),
    ]:
        done = scm.sample(params, KEY, num=NUM, do={"y": intervention})
        np.testing.assert_allclose(done["y"], expected, atol=1e-5)
        change = done["z"] - seen["z"]
        np.testing.assert_allclose(change, 2 * (expected - seen["y"]), atol=1e-4)


def test_every_kind_has_its_own_structure_for_jit_to_cache_by():
    kinds = [iv.Set(1.0), iv.Shift(1.0), iv.Scale(1.0), iv.Randomize(1.0)]
    kinds += [iv.Modify(above_zero), iv.Modify(double), iv.Replace(Constant(), 1.0)]
    structures = [jax.tree.structure(kind) for kind in kinds]
    for i, one in enumerate(structures):
        assert all(one != other for other in structures[:i])
        assert one == jax.tree.structure(jax.tree.map(lambda leaf: leaf, kinds[i]))


def test_modify_sees_the_natural_value_and_the_parents(numbers):
    scm, params = numbers
    seen = scm.sample(params, KEY, num=NUM)
    expected = np.maximum(seen["y"], seen["x"])
    assert (expected != seen["y"]).any()
    for policy in (above_zero, iv.Modify(above_zero)):
        done = scm.sample(params, KEY, num=NUM, do={"y": policy})
        np.testing.assert_allclose(done["y"], expected, rtol=1e-5)


def test_modify_gets_parents_in_declared_order(tables):
    def parent_code(value, parents):
        a, b = parents  # declared C, A, D, B: the parents of C are A, B
        return ((a == 1) & (b == 2)).astype(int)

    done = tables.scm.sample(tables.params, KEY, num=500, do={"C": parent_code})
    expected = (done["A"] == 1) & (done["B"] == 2)
    assert 0 < expected.sum() < 500
    np.testing.assert_array_equal(done["C"], expected)
    assert done["C"].dtype == jnp.int32


def test_randomize_draws_its_law_whatever_the_parents(tables, assert_frequencies):
    num, probs = 40_000, np.array([0.1, 0.2, 0.7])
    do = {"B": iv.Randomize(probs)}
    done = tables.scm.sample(tables.params, KEY, num=num, do=do)
    law = sum(p * tables.law({"B": b}) for b, p in enumerate(probs))
    assert_frequencies(tables.frequencies(done), law, num)


def test_replace_brings_its_mechanism_params_and_noise(tables, assert_frequencies):
    num, table = 40_000, np.array([[0.1, 0.2, 0.7], [0.6, 0.4, 0.0]], np.float32)
    mechanism, params = categorical(table)
    do = {"B": iv.Replace(mechanism, params)}
    done = tables.scm.sample(tables.params, KEY, num=num, do=do)
    law = np.zeros_like(tables.law())
    for b in range(3):
        fixed = tables.law({"B": b})
        for a in range(2):  # declared C, A, D, B
            law[:, a] += table[a, b] * fixed[:, a]
    assert_frequencies(tables.frequencies(done), law, num)


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: iv.Set(1.0), 1),
        (lambda: iv.Shift(2.0), 1),
        (lambda: iv.Scale(3.0), 1),
        (lambda: iv.Modify(above_zero), 0),
        (lambda: iv.Randomize(jnp.array([0.5, 0.5])), 1),
        (lambda: iv.Replace(Tabular(2), {"probs": jnp.array([0.5, 0.5])}), 1),
    ],
)
def test_values_are_leaves_and_the_kind_is_static(make, count):
    leaves, structure = jax.tree.flatten(make())
    assert len(leaves) == count
    assert structure == jax.tree.structure(make())
    assert hash(structure) == hash(jax.tree.structure(make()))
    assert structure != jax.tree.structure(iv.Replace(Constant(), {"value": 1.0}))


@pytest.mark.parametrize("kind", [iv.Set, iv.Shift, iv.Scale, lambda v: v])
def test_interventions_that_keep_the_noise_slot_leave_noise_unchanged(numbers, kind):
    scm, params = numbers
    model, _ = scm.substitute(params, {"y": kind(1.0)})
    before, after = scm.sample_noise(KEY, 5), model.sample_noise(KEY, 5)
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), before, after))


def test_a_substituted_model_is_a_model_equal_by_value(numbers):
    scm, params = numbers
    one, one_params = scm.substitute(params, {"y": 1.0})
    two, _ = scm.substitute(params, {"y": 2.0})
    assert one == two != scm and hash(one) == hash(two)
    noise = jax.tree.map(lambda leaf: leaf[0], scm.sample_noise(KEY, 1))
    assert float(one.evaluate(one_params, noise)["y"]) == 1.0
    assert set(params["y"]) == {"mean", "scale"}, "the caller's params are untouched"
