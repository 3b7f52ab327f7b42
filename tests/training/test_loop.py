import json
import signal
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.training import parallel, signals
from causal_jax.training.algorithm import Algorithm, averaged
from causal_jax.training.checkpoint import Checkpoints
from causal_jax.training.label_mle import label_mle
from causal_jax.training.loop import fit

KEY = jax.random.key(0)


class CountState(NamedTuple):
    count: jax.Array
    total: jax.Array


class CountInfo(NamedTuple):
    value: jax.Array
    batch_mean: jax.Array


def counting(fails_at=None):
    """An algorithm that sums random numbers; its loss is infinite at a step."""

    def init(key):
        return CountState(count=jnp.int32(0), total=jax.random.normal(key))

    def step(state, batch, key):
        mean = parallel.mean(jnp.mean(batch["x"]))
        total = state.total + jax.random.normal(key) + mean
        failed = -1 if fails_at is None else fails_at
        value = jnp.where(state.count == failed, jnp.inf, total)
        new_state = CountState(count=state.count + 1, total=total)
        return new_state, CountInfo(value=value, batch_mean=mean)

    return Algorithm(
        init=init,
        step=step,
        params=lambda state: {"total": state.total},
        batch_shape=(4,),
    )


DATA = {"x": np.arange(10.0, dtype=np.float32)}


def run(algorithm=None, **settings):
    return fit(
        algorithm or counting(),
        settings.pop("data", DATA),
        key=KEY,
        **{"progress": False, "steps_per_dispatch": 2, **settings},
    )


def assert_equal(a, b):
    chex.assert_trees_all_equal(a, b)


def lines(workdir):
    text = (workdir / "metrics.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path):
    whole = run(num_steps=8, workdir=tmp_path / "whole")
    run(num_steps=4, workdir=tmp_path / "parts")
    resumed = run(num_steps=8, workdir=tmp_path / "parts")
    assert_equal(resumed.state, whole.state)
    assert int(resumed.state.count) == 8
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")


def test_a_resumed_label_run_equals_an_uninterrupted_one(tmp_path, tiny_scm, tiny_rows):
    algorithm = label_mle(tiny_scm, num_steps=4, batch_size=8)
    settings = {"algorithm": algorithm, "data": tiny_rows}
    whole = run(num_steps=4, **settings)
    run(num_steps=2, workdir=tmp_path, **settings)
    resumed = run(num_steps=4, workdir=tmp_path, **settings)
    assert_equal(resumed.state, whole.state)
    assert_equal(resumed.params, whole.params)


def test_a_finished_run_is_read_and_not_trained_again(tmp_path):
    first = run(num_steps=4, workdir=tmp_path)
    again = run(num_steps=4, workdir=tmp_path)
    assert_equal(again.state, first.state)
    assert len(lines(tmp_path)) == 2


def test_steps_that_do_not_divide_into_dispatches_are_all_made(tmp_path):
    seen = []
    result = run(num_steps=5, on_log=lambda step, values: seen.append((step, values)))
    assert [step for step, _ in seen] == [2, 4, 5]
    assert int(result.state.count) == 5
    assert set(seen[0][1]) == {"value", "batch_mean"}
    assert_equal(result.state, run(num_steps=5, steps_per_dispatch=5).state)


def test_checkpoints_that_are_asked_for_are_kept_through_an_interruption(tmp_path):
    settings = {"keep_every": 3, "workdir": tmp_path}
    run(num_steps=7, **settings)
    kept = Checkpoints(tmp_path / "checkpoints/train", keep_every=3)
    assert kept.steps() == [2, 3, 6, 7]  # the first, those, and the last two
    result = run(num_steps=20, seconds_per_checkpoint=1e9, **settings)
    assert kept.steps() == [2, 3, 6, 9, 12, 15, 18, 20]
    at_12 = kept.restore_params(12, result.params)
    assert_equal(at_12, run(num_steps=12).params)
    assert_equal(result.state, run(num_steps=20).state)


def test_without_a_workdir_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(num_steps=2)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_not_finite_stops_and_nothing_is_saved_after_it(tmp_path):
    run(num_steps=4, workdir=tmp_path)
    with pytest.raises(
        FloatingPointError, match="value is not finite at step 6 of train: lower"
    ) as raised:
        run(counting(fails_at=5), num_steps=8, workdir=tmp_path)
    assert "\n" not in str(raised.value)
    saved = {p.name for p in (tmp_path / "checkpoints/train").iterdir()}
    assert "4" in saved and not saved & {"6", "8"}
    assert [entry["step"] for entry in lines(tmp_path)] == [2, 4]
    assert int(run(num_steps=8, workdir=tmp_path).state.count) == 8


def test_log_lines_after_the_checkpoint_are_dropped_on_resume(tmp_path):
    run(num_steps=4, workdir=tmp_path)
    other = {"stage": "other", "step": 99}
    with (tmp_path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"stage": "train", "step": 6, "value": 1.0}) + "\n")
        file.write(json.dumps(other) + "\n")
        file.write('{"stage": "train", "st')  # killed while it wrote
    run(num_steps=8, workdir=tmp_path)
    found = lines(tmp_path)
    assert [e["step"] for e in found if e["stage"] == "train"] == [2, 4, 6, 8]
    assert other in found and len(found) == 5
    assert found[3] == {"stage": "train", "step": 6, **values_of(found[3])}
    assert found[3]["value"] != 1.0


def values_of(entry):
    return {k: entry[k] for k in ("value", "batch_mean")}


def test_stages_of_one_workdir_are_apart(tmp_path):
    run(num_steps=2, workdir=tmp_path, stage="labels")
    run(num_steps=4, workdir=tmp_path, stage="images")
    assert [(e["stage"], e["step"]) for e in lines(tmp_path)] == [
        ("labels", 2),
        ("images", 2),
        ("images", 4),
    ]
    assert {p.name for p in (tmp_path / "checkpoints").iterdir()} == {
        "labels",
        "images",
    }


def test_another_algorithms_workdir_is_a_one_line_error(tmp_path, tiny_scm, tiny_rows):
    run(num_steps=2, workdir=tmp_path)
    algorithm = label_mle(tiny_scm, num_steps=4, batch_size=8)
    with pytest.raises(ValueError, match="another") as raised:
        run(algorithm, data=tiny_rows, num_steps=4, workdir=tmp_path)
    assert "\n" not in str(raised.value)


def test_the_moving_average_moves_by_its_rate():
    average = averaged({"w": jnp.zeros(2)}, {"w": jnp.array([1.0, -2.0])}, 0.25)
    np.testing.assert_allclose(average["w"], [0.25, -0.5])


def test_the_bar_says_that_it_compiles_until_the_first_steps_are_done(capsys):
    fit(counting(), DATA, key=KEY, num_steps=4, steps_per_dispatch=2, stage="labels")
    written = capsys.readouterr().err
    compiling = "labels: compiling and running the first steps ..."
    assert written.index(compiling) < written.index("50%")
    assert "compiling" not in written[written.index("50%") :]


# --- checkpoints, signals, weights ----------------------------------------------------


def steps_saved(workdir):
    return Checkpoints(workdir / "checkpoints" / "train").steps()


def test_the_first_checkpoint_is_made_after_the_first_dispatch(tmp_path):
    saved = []
    run(num_steps=8, workdir=tmp_path, on_checkpoint=saved.append)
    assert saved == [2, 8], "a minute has not passed between them"
    assert steps_saved(tmp_path) == [2, 8]
    run(num_steps=12, workdir=tmp_path, on_checkpoint=saved.append)
    assert saved[2:] == [10, 12], "a resumed run's first dispatch, too"


def test_the_time_between_checkpoints_is_the_caller_s(tmp_path):
    saved = []
    settings = {"seconds_per_checkpoint": 0.0, "on_checkpoint": saved.append}
    run(num_steps=8, workdir=tmp_path, **settings)
    assert saved == [2, 4, 6, 8] and steps_saved(tmp_path) == [2, 6, 8]


def test_a_damaged_last_checkpoint_costs_steps_and_no_bit(tmp_path):
    whole = run(num_steps=8, workdir=tmp_path / "whole")
    parts = tmp_path / "parts"
    run(num_steps=6, workdir=parts, seconds_per_checkpoint=0.0)
    (parts / "checkpoints" / "train" / "6" / "_CHECKPOINT_METADATA").write_text("{}")
    with pytest.warns(UserWarning, match="6 is damaged"):
        resumed = run(num_steps=8, workdir=parts)
    assert_equal(resumed.state, whole.state)
    assert lines(parts) == lines(tmp_path / "whole")
    assert (parts / "checkpoints" / "train" / "6.damaged").is_dir()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_waits_for_the_dispatch_and_its_checkpoint(tmp_path, number):
    """And then the resumed run equals one that nobody has stopped."""

    def stop(step, values):
        if step == 4:
            signal.raise_signal(number)

    whole = run(num_steps=8, workdir=tmp_path / "whole")
    # A shell starts what it puts into the background with SIGINT ignored.
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(signals.Stopped) as raised, signals.listening():
            run(num_steps=8, workdir=tmp_path / "parts", on_log=stop)
    finally:
        signal.signal(number, before)
    assert raised.value.code == 128 + number
    assert steps_saved(tmp_path / "parts") == [2, 4]
    resumed = run(num_steps=8, workdir=tmp_path / "parts")
    assert_equal(resumed.state, whole.state)
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")


def overflowing(at):
    """Weights that overflow at a step, below a loss that does not show it."""
    algorithm = counting()

    def step(state, batch, key):
        new_state, _ = algorithm.step(state, batch, key)
        total = jnp.where(state.count >= at, jnp.inf, new_state.total)
        info = CountInfo(value=jnp.float32(0.5), batch_mean=jnp.float32(0.5))
        return new_state._replace(total=total), info

    return algorithm._replace(step=step)


def test_weights_that_overflow_are_never_saved_and_named(tmp_path):
    message = r"\.total of the state is not finite at step 6 of train: lower the learn"
    with pytest.raises(FloatingPointError, match=message):
        run(
            overflowing(at=4), num_steps=8, workdir=tmp_path, seconds_per_checkpoint=0.0
        )
    assert steps_saved(tmp_path) == [2, 4]
    assert np.isfinite(run(num_steps=8, workdir=tmp_path).state.total)


def test_weights_that_overflow_at_the_end_are_not_returned():
    with pytest.raises(FloatingPointError, match="at step 8 of train"):
        run(overflowing(at=7), num_steps=8)


def test_a_workdir_that_vanishes_is_one_line_and_not_made_again(tmp_path):
    workdir = tmp_path / "run"

    def move(step, values):
        if step == 4:
            workdir.rename(tmp_path / "moved")

    with pytest.raises(OSError, match="run is gone or was moved") as raised:
        run(num_steps=8, workdir=workdir, on_log=move)
    assert "\n" not in str(raised.value) and not workdir.exists()
    assert int(run(num_steps=8, workdir=tmp_path / "moved").state.count) == 8


@pytest.mark.parametrize("gib", [0.5, 2.5])
def test_memory_is_said_before_the_first_step_where_it_counts(monkeypatch, capsys, gib):
    taken = parallel.Memory(kept=2**29, of_step=int((gib - 0.5) * 2**30))
    monkeypatch.setattr(parallel, "memory", lambda program: taken)
    data = {"x": np.arange(8.0)}
    fit(counting(), data, key=KEY, num_steps=3, steps_per_dispatch=2, stage="model")
    line = (
        "model: 2.5 GiB of memory per device, 0.5 for weights, optimiser and data, "
        "2.0 for a step"
    )
    assert capsys.readouterr().out.count(line) == (gib > 1)
