import doctest
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.ops import buckets

SIZES = (2, 3, 2, 4, 2)
SCOPES = ((0, 1), (2, 1), (1, 3), (3, 0), (4, 2), (3,))
NUM_ROWS = 3


def tables(seed=0):
    """Random tables with zeros; every other one is shared by all rows."""
    random = np.random.default_rng(seed)
    result = []
    for i, scope in enumerate(SCOPES):
        shape = [SIZES[v] for v in scope] + [NUM_ROWS if i % 2 else 1]
        table = random.random(shape) * (random.random(shape) > 0.2)
        result.append(table)
    return result


def joint(tables):
    """The product of the tables, `[*sizes, rows]`, entry by entry."""
    law = np.ones((*SIZES, NUM_ROWS))
    for states in itertools.product(*map(range, SIZES)):
        for scope, table in zip(SCOPES, tables, strict=True):
            law[states] *= table[tuple(states[v] for v in scope)]
    return law


def logs(tables):
    with np.errstate(divide="ignore"):
        return [jnp.asarray(np.log(table), jnp.float32) for table in tables]


PLAN = buckets.plan(SCOPES, SIZES)


def test_every_table_is_in_one_bucket_and_every_message_in_a_later_one():
    in_buckets = [i for step in PLAN.steps for i in step.tables]
    assert sorted(in_buckets) == list(range(len(SCOPES)))
    assert sorted(step.variable for step in PLAN.steps) == list(range(len(SIZES)))
    for i, step in enumerate(PLAN.steps):
        assert all(j < i for j in step.messages)
        eliminated = {s.variable for s in PLAN.steps[: i + 1]}
        assert not eliminated & set(step.separator)


def test_a_chain_is_eliminated_by_buckets_of_two():
    scopes = ((0,), *((i, i + 1) for i in range(50)))
    assert buckets.plan(scopes, (3,) * 51).largest == 9


def test_the_total_is_the_sum_of_the_product():
    found = buckets.eliminate_into_buckets(PLAN, logs(tables()))
    expected = np.log(joint(tables()).sum(tuple(range(len(SIZES)))))
    np.testing.assert_allclose(found.log_total, expected, atol=1e-5)


def test_marginals_are_those_of_the_product():
    law = joint(tables())
    law /= law.sum(tuple(range(len(SIZES))))
    for v, found in enumerate(buckets.marginals(PLAN, logs(tables()))):
        axes = tuple(i for i in range(len(SIZES)) if i != v)
        np.testing.assert_allclose(found, law.sum(axes), atol=1e-6)


def test_draws_have_the_joint_law_of_their_row(assert_frequencies):
    num = 60_000
    law = joint(tables())
    law /= law.sum(tuple(range(len(SIZES))))
    weights = buckets.eliminate_into_buckets(PLAN, logs(tables())).weights
    uniforms = jax.random.uniform(jax.random.key(0), (len(SIZES), num))
    rows = jnp.arange(num) % NUM_ROWS
    states = buckets.draw(PLAN, weights, uniforms, rows)
    index = np.ravel_multi_index([np.asarray(s) for s in states], SIZES)
    for row in range(NUM_ROWS):
        of_row = index[np.asarray(rows) == row]
        found = np.bincount(of_row, minlength=np.prod(SIZES)) / len(of_row)
        expected = law[..., row].ravel()
        assert_frequencies(found, expected, len(of_row))
        assert np.all(found[expected == 0] == 0)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_size_of_a_table_changes_nothing_but_the_total(scale):
    first, *rest = logs(tables())
    scaled = [first + np.log(scale), *rest]
    one, other = (
        buckets.eliminate_into_buckets(PLAN, t) for t in ([first, *rest], scaled)
    )
    np.testing.assert_allclose(
        other.log_total - one.log_total, np.log(scale), rtol=1e-4
    )
    for a, b in zip(
        buckets.marginals(PLAN, [first, *rest]),
        buckets.marginals(PLAN, scaled),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_where_nothing_is_possible_the_total_says_so_and_nothing_is_nan():
    impossible = tables()
    impossible[1] = impossible[1] * np.array([1.0, 0.0, 1.0])
    log_tables = logs(impossible)
    found = buckets.eliminate_into_buckets(PLAN, log_tables)
    assert np.isneginf(found.log_total).tolist() == [False, True, False]
    for law in buckets.marginals(PLAN, log_tables):
        assert np.all(np.isfinite(law)) and np.all(law[:, 1] == 0)


def test_a_state_without_weight_is_never_drawn_at_the_ends_of_the_uniform():
    plan = buckets.plan(((0,),), (4,))
    weights = buckets.eliminate_into_buckets(
        plan, logs([np.array([0.0, 0.5, 0.5, 0.0])[:, None]])
    ).weights
    uniforms = jnp.array([[0.0, 1 - 2.0**-24]])
    (states,) = buckets.draw(plan, weights, uniforms, jnp.zeros(2, jnp.int32))
    assert states.tolist() == [1, 2]


def test_it_runs_under_jit_and_vmap():
    many = [jnp.stack([jnp.asarray(t)] * 2) for t in logs(tables())]

    def log_total(log_tables):
        return buckets.eliminate_into_buckets(PLAN, log_tables).log_total

    found = jax.jit(jax.vmap(log_total))(many)
    np.testing.assert_allclose(found[1], log_total(logs(tables())), atol=1e-5)


def test_the_examples_run():
    result = doctest.testmod(buckets)
    assert result.attempted and not result.failed
