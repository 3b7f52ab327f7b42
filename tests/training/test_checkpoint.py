import os

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.training import checkpoint_arrays
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


# --- damage, leftovers, room ----------------------------------------------------------


@pytest.fixture
def three(tmp_path):
    """A folder of three checkpoints whose states differ."""
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for step in (2, 4, 6):
        state = STATE | {"count": jnp.int32(step)}
        checkpoints.save(step, state, PARAMS)
    return checkpoints.directory


def flip_a_bit(folder, where):
    path = sorted(p for p in folder.rglob("*") if p.is_file())[where]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path.relative_to(folder).as_posix()


@pytest.mark.parametrize("where", [0, 3, 7, -1])
def test_the_one_before_a_damaged_one_is_used_and_it_is_set_aside(three, where):
    name = flip_a_bit(three / "6", where)
    checkpoints = Checkpoints(three)
    with pytest.warns(UserWarning, match=rf"checkpoints/6 is damaged \({name}"):
        assert checkpoints.recover() == 4
    assert int(checkpoints.restore_state(4, STATE)["count"]) == 4
    assert sorted(p.name for p in three.iterdir()) == ["2", "4", "6.damaged"]
    checkpoints.save(6, STATE, PARAMS)
    flip_a_bit(three / "6", 0)
    with pytest.warns(UserWarning, match="is damaged"):
        assert Checkpoints(three).recover() == 4
    assert {"6.damaged", "6.damaged2"} <= {p.name for p in three.iterdir()}


def test_reading_passes_over_a_damaged_one_and_touches_nothing(three):
    flip_a_bit(three / "6", 2)
    with pytest.warns(UserWarning, match="the one before it has to do"):
        assert Checkpoints(three).latest() == 4
    assert Checkpoints(three).steps() == [2, 4, 6]
    with pytest.warns(UserWarning, match="the one before it has to do"):
        assert Checkpoints(three).intact_steps() == [2, 4]
    with pytest.raises(ValueError, match="is damaged"):
        Checkpoints(three).restore_params(6, PARAMS)


@pytest.mark.filterwarnings("ignore:the checkpoint")
def test_where_none_is_left_one_line_says_so_and_the_next_call_begins_anew(three):
    for step in (2, 4, 6):
        flip_a_bit(three / str(step), 1)
    for call in ("latest", "recover"):
        with pytest.raises(ValueError, match="no checkpoint that is not") as raised:
            getattr(Checkpoints(three), call)()
        assert "\n" not in str(raised.value) and "6: " in str(raised.value)
    assert Checkpoints(three).recover() is None
    assert len(list(three.iterdir())) == 3


def test_a_missing_manifest_is_damage_unless_the_run_is_from_before_them(three):
    (three / "6" / "manifest.json").unlink()
    with pytest.warns(UserWarning, match=r"6 is damaged \(manifest.json is missing\)"):
        assert Checkpoints(three).latest() == 4
    old = Checkpoints(three, before_manifests=True)
    with pytest.warns(UserWarning, match="6 was not verified"):
        assert old.latest() == 6
    flip_a_bit(three / "4", 2)
    (three / "6").rename(three / "x")
    with pytest.warns(UserWarning, match="4 is damaged"):
        assert Checkpoints(three, before_manifests=True).latest() == 2


def test_what_killed_writers_left_is_removed_by_the_next_one(three):
    for name in ("8.partial", "8.partial.orbax-checkpoint-tmp", "4.replaced"):
        (three / name / "state").mkdir(parents=True)
    (three / "9.orbax-checkpoint-tmp-17").mkdir()
    assert Checkpoints(three).latest() == 6, "a reader leaves a writer's files alone"
    assert (three / "8.partial").is_dir()
    assert Checkpoints(three).recover() == 6
    assert sorted(p.name for p in three.iterdir()) == ["2", "4", "6"]


def test_a_checkpoint_of_the_same_step_takes_the_place_of_the_one_before(three):
    checkpoints = Checkpoints(three)
    assert checkpoints.recover() == 6
    checkpoints.save(6, STATE | {"count": jnp.int32(99)}, PARAMS)
    assert int(Checkpoints(three).restore_state(6, STATE)["count"]) == 99
    assert sorted(p.name for p in three.iterdir()) == ["2", "4", "6"]


def test_without_room_one_line_names_the_folder_and_what_there_was_is_kept(
    three, monkeypatch
):
    checkpoints = Checkpoints(three)
    checkpoints.recover()
    full = os.statvfs_result((4096, 4096, 10, 0, 0, 10, 5, 5, 0, 255))
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda path: full)
        with pytest.raises(OSError, match="checkpoints has no room left") as raised:
            checkpoints.save(8, STATE, PARAMS)
    assert "\n" not in str(raised.value)
    assert sorted(p.name for p in three.iterdir()) == ["2", "4", "6"]
    checkpoints.save(8, STATE, PARAMS)
    assert Checkpoints(three).latest() == 8


def test_a_writer_that_orbax_lets_down_leaves_what_there_was(three, monkeypatch):
    checkpoints = Checkpoints(three)
    checkpoints.recover()
    orbax = checkpoint_arrays._checkpointer()

    def fail(*args, **kwargs):
        raise RuntimeError("RESOURCE_EXHAUSTED: quota\nmany lines")

    with monkeypatch.context() as patch:
        patch.setattr(orbax, "save", fail)
        with pytest.raises(OSError, match="took no checkpoint .RESOURCE") as raised:
            checkpoints.save(8, STATE, PARAMS)
    assert "\n" not in str(raised.value)
    assert Checkpoints(three).recover() == 6


def test_a_folder_that_has_vanished_is_not_made_again(three):
    checkpoints = Checkpoints(three)
    checkpoints.recover()
    three.rename(three.with_name("moved"))
    with pytest.raises(OSError, match="checkpoints is gone or was moved"):
        checkpoints.save(8, STATE, PARAMS)
    assert not three.exists()
