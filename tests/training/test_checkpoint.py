import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.training.checkpoint import Checkpoints

STATE = {"w": jnp.arange(6.0).reshape(2, 3), "count": jnp.int32(4)}
PARAMS = {"w": jnp.arange(6.0).reshape(2, 3)}


@pytest.fixture
def saved(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(3, STATE, PARAMS)
    return checkpoints.directory


def assert_one_line(raised):
    message = str(raised.value)
    assert "\n" not in message and "another" in message and "workdir" in message


def test_what_was_saved_is_restored_bit_for_bit(saved):
    checkpoints = Checkpoints(saved)
    assert checkpoints.latest() == 3
    like = jax.tree.map(jnp.zeros_like, STATE)
    chex.assert_trees_all_equal(checkpoints.restore_state(3, like), STATE)
    params = checkpoints.restore_params(3, {"w": jnp.zeros((2, 3))})
    np.testing.assert_array_equal(params["w"], PARAMS["w"])


def test_without_a_checkpoint_nothing_is_found_and_nothing_written(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.latest() is None
    assert not list(tmp_path.iterdir())


def test_the_last_two_and_the_first_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step in (2, 4, 6, 8, 10):
        checkpoints.save(step, STATE, PARAMS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["10", "2", "8"]
    assert checkpoints.steps() == [2, 8, 10]


@pytest.mark.parametrize(
    "like",
    [
        {"w": jnp.zeros((2, 4)), "count": jnp.int32(0)},
        {"w": jnp.zeros((3, 3)), "count": jnp.int32(0)},
        {"w": jnp.zeros((2, 3))},
        {"w": jnp.zeros((2, 3)), "count": jnp.int32(0), "more": jnp.zeros(2)},
        {"v": jnp.zeros((2, 3)), "count": jnp.int32(0)},
    ],
)
def test_another_models_checkpoint_is_a_one_line_error(saved, like):
    with pytest.raises(ValueError, match="another model") as raised:
        Checkpoints(saved).restore_state(3, like)
    assert_one_line(raised)


@pytest.mark.parametrize("damage", ["truncate", "empty", "remove", "metadata"])
def test_a_damaged_checkpoint_is_a_one_line_error(saved, damage):
    files = [p for p in (saved / "3").rglob("*") if p.is_file()]
    big = [p for p in files if "/d/" in p.as_posix()] or files
    for path in files if damage == "remove" else big:
        if damage == "remove":
            path.unlink()
        elif damage != "metadata":
            data = path.read_bytes()
            path.write_bytes(data[: len(data) // 2] if damage == "truncate" else b"")
    if damage == "metadata":
        for path in files:
            if "METADATA" in path.name or "manifest" in path.name:
                path.write_text("{ not json")
    for restore, like in (("restore_state", STATE), ("restore_params", PARAMS)):
        with pytest.raises(ValueError, match="checkpoint .*3 ") as raised:
            getattr(Checkpoints(saved), restore)(3, like)
        assert_one_line(raised)
