import json
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm, averaged
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
