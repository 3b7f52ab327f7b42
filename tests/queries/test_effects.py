"""Done beside seen, held to the enumerated product formula."""

import numpy as np
import pytest

from causal_jax.queries import effects, laws


def expected(tables, cause, state, do):
    axis = tables.nodes.index(cause)
    law = tables.law({cause: state} if do else None)
    here = np.take(law, [state], axis=axis)
    here = here / here.sum()
    return {
        name: here.sum(axis=tuple(a for a in range(4) if a != i))
        for i, name in enumerate(tables.nodes)
        if name != cause
    }


@pytest.mark.parametrize("way", ["laws", "elimination"])
def test_both_ways_give_what_enumeration_gives(tables, way):
    model = (tables.scm, tables.params)
    if way == "laws":
        found = effects.effects_of_laws(tables.scm, laws.exact_laws(*model))
    else:
        found = effects.effects_by_elimination(*model)
    assert len(found.done) == len(found.seen) == 9
    for marginals, do in ((found.done, True), (found.seen, False)):
        for (cause, state), by_label in marginals.items():
            for name, law in expected(tables, cause, int(state), do).items():
                np.testing.assert_allclose(by_label[name], law, atol=1e-6)


def test_a_state_that_never_occurs_is_not_conditioned_on(tables):
    known = laws.exact_laws(tables.scm, tables.params)
    seen = known.seen.reshape(tables.law().shape).copy()
    seen[:, 1] = 0  # A = 1
    known = known._replace(seen=seen.ravel() / seen.sum())
    found = effects.effects_of_laws(tables.scm, known)
    assert ("A", "1") in found.done and ("A", "1") not in found.seen


def test_too_many_questions_are_left_alone(tables, monkeypatch):
    monkeypatch.setattr(effects, "MAX_QUESTIONS", 5)
    assert effects.effects_by_elimination(tables.scm, tables.params) is None
