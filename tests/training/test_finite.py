"""A state that is not finite is found, whichever array it is in."""

import jax.numpy as jnp
import pytest

from causal_jax.training import finite

STATE = {
    "weights": [jnp.zeros(3), jnp.ones((2, 2), jnp.bfloat16)],
    "count": jnp.int32(7),
    "flag": jnp.bool_(True),
}


def require(tree):
    finite.require(tree, what="the state", step=20, stage="labels")


def test_finite_arrays_and_integers_pass():
    require(STATE)
    require({})


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf, -jnp.inf])
def test_one_value_is_enough_and_its_array_is_named(value):
    bad = STATE["weights"][1].at[1, 0].set(value)
    tree = STATE | {"weights": [STATE["weights"][0], bad]}
    with pytest.raises(FloatingPointError) as raised:
        require(tree)
    message = str(raised.value)
    assert message.startswith(
        "['weights'][1] of the state is not finite at step 20 of labels: lower the "
        "learning rate"
    )
    assert "\n" not in message


def test_the_check_compiles_nothing(count_compilations):
    assert count_compilations(lambda: require(STATE)) == 0
