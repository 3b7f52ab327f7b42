"""Training from a stream: the batches of the steps, resumed, on all devices."""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.data import streams, tfds
from causal_jax.data.images import encoded_png
from causal_jax.training import feeding, parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.loop import fit

NUM_STEPS = 7


class SumState(NamedTuple):
    """Depends on the order of the rows and on the steps' keys."""

    total: jax.Array


class SumInfo(NamedTuple):
    value: jax.Array


def summing(batch_shape=(4,)):
    def init(key):
        return SumState(total=jax.random.normal(key))

    def step(state, batch, key):
        mean = parallel.mean(jnp.mean(batch["image"]))
        total = 0.9 * state.total + mean + jax.random.normal(key)
        return SumState(total=total), SumInfo(value=total)

    return Algorithm(
        init=init,
        step=step,
        params=lambda s: {"total": s.total},
        batch_shape=batch_shape,
    )


class Counting:
    """A stream whose rows are numbered, position after position."""

    num_processes = 1

    def __init__(self, batch_size=4, num_workers=0):
        self.batch_size, self.num_workers = batch_size, num_workers
        self.num_open, self.num_read = 0, 0

    def batches(self, first_step=0):
        self.num_open += 1
        try:
            while True:
                self.num_read += 1
                rows = first_step * self.batch_size + np.arange(self.batch_size)
                yield {"image": rows.astype(np.float32) ** 0.5}
                first_step += 1
        finally:
            self.num_open -= 1


def run(stream, num_steps=NUM_STEPS, algorithm=None, **settings):
    return fit(
        algorithm or summing(),
        stream,
        key=jax.random.key(0),
        num_steps=num_steps,
        progress=False,
        **{"steps_per_dispatch": 2, **settings},
    ).params["total"]


def expected(num_steps=NUM_STEPS, batch_shape=(4,)):
    """The same by hand, step after step."""
    algorithm, size = summing(batch_shape), int(np.prod(batch_shape))
    key_init, key_steps = jax.random.split(jax.random.key(0))
    state = algorithm.init(key_init)
    for step in range(num_steps):
        rows = np.arange(step * size, (step + 1) * size, dtype=np.float32) ** 0.5
        batch = {"image": jnp.asarray(rows.reshape(batch_shape))}
        key = jax.random.split(jax.random.fold_in(key_steps, step))[1]
        state, _ = algorithm.step(state, batch, key)
    return state.total


@pytest.mark.parametrize("num_workers", [0, 1])
def test_each_step_reads_its_batch_of_the_stream(num_workers):
    stream = Counting(num_workers=num_workers)
    np.testing.assert_allclose(run(stream), expected(), rtol=1e-5)
    assert stream.num_read == NUM_STEPS and stream.num_open == 0


def test_a_step_of_several_batches_reads_them_one_after_another():
    found = run(Counting(), algorithm=summing((3, 4)))
    np.testing.assert_allclose(found, expected(batch_shape=(3, 4)), rtol=1e-5)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_resumed_run_reads_on_to_the_bit(tmp_path, num_workers):
    whole = run(Counting(num_workers=num_workers))
    run(Counting(num_workers=num_workers), 3, workdir=tmp_path)
    stream = Counting(num_workers=num_workers)
    resumed = run(stream, workdir=tmp_path)
    np.testing.assert_array_equal(resumed, whole)
    assert stream.num_read == NUM_STEPS - 3


def write_noise(data_dir):
    """A data set of nine pictures, `noise`."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (9, 6, 6, 3), np.uint8)
    examples = [{"image": encoded_png(p), "label": 0} for p in pictures]
    tfds.write_new(
        "noise",
        {"image": tfds.picture(6, 6, 3), "label": tfds.label(1)},
        lambda: {"train": iter(list(enumerate(examples)))},
        description="",
        data_dir=data_dir,
    )


def noise_stream(data_dir, **settings):
    chosen = {"size": 4, "batch_size": 4, "crop": "random", "progress": False}
    return streams.open_stream(
        "noise", "train", data_dir=data_dir, **{**chosen, **settings}
    )


def test_pictures_train_alike_from_memory_and_from_the_disk(tmp_path):
    write_noise(tmp_path)
    found = [run(noise_stream(tmp_path, resident_bytes=n)) for n in (0, 1 << 20)]
    assert found[0] == found[1]


def test_a_failing_stream_ends_the_run_with_its_own_error():
    class Failing(Counting):
        def batches(self, first_step=0):
            yield next(super().batches(first_step))
            raise ValueError("record 4 is damaged")

    for num_workers in (0, 1):
        with pytest.raises(ValueError, match="record 4 is damaged"):
            run(Failing(num_workers=num_workers))


def test_a_stream_of_another_size_or_other_hosts_is_refused():
    with pytest.raises(ValueError, match="batch_size=4"):
        run(Counting(batch_size=8))
    shared = Counting()
    shared.num_processes = 2
    with pytest.raises(ValueError, match="shared by 2 hosts, the run by 1"):
        run(shared)


ON_DEVICES = """
import json, sys
sys.path.insert(0, {tests!r})
import test_feeding
import numpy as np

shapes = {{"flat": (4,), "deep": (3, 4)}}
print(json.dumps({{
    name: float(test_feeding.run(
        test_feeding.Counting(), algorithm=test_feeding.summing(shape)
    ))
    for name, shape in shapes.items()
}}))
"""


def test_devices_share_each_batch(run_on_devices):
    program = ON_DEVICES.format(tests=str(Path(__file__).parent))
    found = run_on_devices(program, 2)
    np.testing.assert_allclose(found["flat"], expected(), rtol=1e-5)
    np.testing.assert_allclose(found["deep"], expected(batch_shape=(3, 4)), rtol=1e-5)


def test_rows_of_a_batch_stay_in_order_over_devices():
    """Device d has rows d B / n, ...: as `parallel.local` cuts a global batch."""
    feed = feeding.Feed(Counting(), (2, 4), 0, [3])
    found = np.asarray(feed.take(3)["image"]) ** 2
    feed.close()
    np.testing.assert_allclose(found[0].reshape(-1), np.arange(24), atol=1e-4)
    assert found.shape == (1, 3, 2, 4)
