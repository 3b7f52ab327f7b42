"""Units in parts: the same as one call's, the law of one call's under `given`."""

import jax
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.networks.controller import controller
from causal_jax.queries import parts
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular

KEY = jax.random.key(3)


@pytest.fixture(scope="module", params=["tables", "networks"])
def model(request):
    states = {"A": "01", "B": ("x", "y", "z"), "C": "01"}
    graph = graphs.build([("A", "B"), ("B", "C"), ("A", "C")], states=states)
    if request.param == "networks":
        scm = controller(graph, hidden=(4,))
    else:
        shapes = {"A": (2, ()), "B": (3, (2,)), "C": (2, (2, 3))}
        scm = SCM(graph, {name: Tabular(*shape) for name, shape in shapes.items()})
    return scm, scm.init(jax.random.key(0))


def joined(found):
    found = list(found)
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def assert_same(found, whole):
    assert found.keys() == whole.keys()
    for name in whole:
        np.testing.assert_array_equal(found[name], whole[name])


@pytest.mark.parametrize("num", [1, 7, 10, 25])
@pytest.mark.parametrize("do", [None, {"B": "y"}])
def test_parts_together_are_the_units_of_one_call(model, num, do):
    whole = model[0].sample(model[1], KEY, num=num, do=do)
    drawn = parts.sample(*model, KEY, num=num, do=do, size=10)
    assert_same(joined(drawn), whole)


def test_twins_in_parts_are_the_twins_of_one_call(model):
    wholes = model[0].twins(model[1], KEY, num=25, do={"A": 1})
    drawn = list(parts.twins(*model, KEY, num=25, do={"A": 1}, size=10))
    for world, whole in enumerate(wholes):
        assert_same(joined(pair[world] for pair in drawn), whole)


def test_under_given_the_parts_have_the_law_and_differ_from_one_another(model):
    given, size = {"C": 1}, 4000
    found = list(parts.sample(*model, KEY, num=10_000, given=given, size=size))
    assert [len(part["A"]) for part in found] == [4000, 4000, 2000]
    assert any((found[0][n] != found[1][n]).any() for n in found[0])
    one, whole = joined(found), model[0].sample(model[1], KEY, num=10_000, given=given)
    assert (one["C"] == 1).all()
    for name, state in (("A", 1), ("B", 0), ("B", 2)):
        shares = [np.mean(np.asarray(x[name]) == state) for x in (one, whole)]
        assert abs(shares[0] - shares[1]) < 5 * np.sqrt(2 * 0.25 / 10_000)
    pairs = list(parts.twins(*model, KEY, num=25, do={"A": 1}, given=given, size=10))
    assert sum(len(before["C"]) for before, _ in pairs) == 25
    assert all((before["C"] == 1).all() for before, _ in pairs)


def test_what_a_call_refuses_is_refused(model):
    with pytest.raises(ValueError, match="is no state of 'B'"):
        list(parts.sample(*model, KEY, num=25, do={"B": "w"}, size=10))
    with pytest.raises(ValueError, match="a value for each unit is not drawn in parts"):
        each = np.arange(25) % 3
        list(parts.sample(*model, KEY, num=25, do={"B": each}, size=10))
