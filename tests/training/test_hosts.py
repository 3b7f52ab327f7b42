"""Real processes that speak over the loopback network: they train what one would."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import NamedTuple

import chex
import jax
import numpy as np
import pytest

from causal_jax.training import hosts
from causal_jax.training.checkpoint import Checkpoints
from causal_jax.training.loop import fit
from experiments import devices

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60  # after which what waits for a dead process must have ended


def test_a_dead_process_is_noticed_within_a_minute():
    """Where nothing but its heartbeat tells; other tests have a shorter one."""
    assert hosts._HEARTBEAT_SECONDS <= SECONDS / 2


def start(program, *arguments, num_hosts=1, num_devices=1, **environment):
    """Starts processes that run Python source; what they say is in `communicate`."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{one.getsockname()[1]}"
    given = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} "
        f"--xla_force_host_platform_device_count={num_devices}",
        "PYTHONPATH": str(ROOT),
        "JAX_COORDINATOR_ADDRESS": coordinator,
        "JAX_NUM_PROCESSES": str(num_hosts),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **environment,
    }
    return [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
            env={**given, "JAX_PROCESS_ID": str(i)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(num_hosts)
    ]


def run(program, *arguments, **layout):
    """What each process prints, when all have ended well."""
    processes = start(program, *arguments, **layout)
    said = [process.communicate(timeout=300) for process in processes]
    for process, (_, errors) in zip(processes, said, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [
        [line for line in out.splitlines() if not line.startswith("[Gloo]")]
        for out, _ in said
    ]


# --- the same numbers -----------------------------------------------------------------

TRAIN = """
    import sys
    from functools import partial
    import jax, numpy as np
    from causal_jax.training import hosts, loop
    from experiments import devices

    hosts.start()
    folder, optimizer = sys.argv[1:]
    if optimizer == "sgd":
        devices.use_sgd()
    for name in ("label_local_wgan", "causal_gan"):
        algorithm, data = devices.algorithms()[name]()
        algorithm = devices.in_default_precision(algorithm)
        state = loop.fit(
            algorithm, data, key=jax.random.key(1), num_steps=4, steps_per_dispatch=2,
            progress=False, workdir=f"{folder}/{name}",
        ).state
        if hosts.is_writer():
            start = algorithm.init(jax.random.key(1))
            for file, tree in (("start", start), ("end", state)):
                leaves, _ = jax.tree.flatten_with_path(tree)
                named = {jax.tree_util.keystr(k): np.asarray(v) for k, v in leaves}
                np.savez(f"{folder}/{name}/{file}.npz", **named)
"""
LAYOUTS = {"1": (1, 1), "4": (1, 4), "2x2": (2, 2)}


@pytest.fixture(scope="module", params=["sgd", "adam"])
def trained(request, tmp_path_factory):
    """(the optimiser, {layout: its folder})."""
    folders = {name: tmp_path_factory.mktemp(f"on_{name}") for name in LAYOUTS}
    for name, (num_hosts, num_devices) in LAYOUTS.items():
        layout = {"num_hosts": num_hosts, "num_devices": num_devices}
        run(TRAIN, folders[name], request.param, JAX_ENABLE_X64="1", **layout)
    return request.param, folders


def read(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def gap(one, other):
    assert one.keys() == other.keys() and one
    return max(np.max(np.abs(one[k] - other[k]), initial=0) for k in one)


@pytest.mark.parametrize("name", ["label_local_wgan", "causal_gan"])
@pytest.mark.parametrize("layout", ["4", "2x2"])
def test_two_hosts_of_two_devices_train_as_one_device(trained, name, layout):
    # No bias of these networks feeds a batch normalisation: it would have no gradient
    # but rounding, which Adam makes a step of.
    optimizer, folders = trained
    one, other = (read(folders[n] / name / "end.npz") for n in ("1", layout))
    floats = [leaf for leaf in one.values() if leaf.dtype.kind == "f"]
    assert floats and all(leaf.dtype == np.float64 for leaf in floats)
    assert gap(read(folders["1"] / name / "start.npz"), one) > 1e-3
    assert gap(one, other) < {"sgd": 1e-9, "adam": 1e-7}[optimizer]


STREAMED = """
    import sys
    sys.path.insert(0, sys.argv[2])
    import test_feeding
    from causal_jax.training import hosts

    hosts.start()
    stream = test_feeding.noise_stream(
        sys.argv[1], process_id=hosts.process_id(), num_processes=hosts.num_processes()
    )
    print(float(test_feeding.run(stream)))
"""


def test_two_hosts_share_the_batches_of_a_stream(tmp_path):
    sys.path.insert(0, str(Path(__file__).parent))
    import test_feeding

    test_feeding.write_noise(tmp_path)
    place = tmp_path, Path(__file__).parent
    # The last line: of two devices, Gloo's threads may mix what they say before.
    ((*_, alone),) = run(STREAMED, *place)
    (*_, first), (*_, second) = run(STREAMED, *place, num_hosts=2, num_devices=2)
    assert float(first) == float(second)
    np.testing.assert_allclose(float(first), float(alone), rtol=1e-5)


def test_one_process_of_two_writes_the_log(trained):
    _, folders = trained
    for layout in LAYOUTS:
        lines = (folders[layout] / "causal_gan/metrics.jsonl").read_text().splitlines()
        assert len(lines) == 2, layout  # of four steps, two per dispatch


# --- what all do together -------------------------------------------------------------

TOGETHER = """
    import json
    import numpy as np
    from causal_jax.training import hosts

    hosts.start()
    i = hosts.process_id()
    called = []
    def fail():
        called.append(i)
        raise ValueError("the writer's folder is full")
    try:
        hosts.on_writer(fail)
        said = ""
    except ValueError as error:
        said = str(error)
    like = {"a": np.zeros(3), "b": np.zeros((1, 3), np.uint8), "n": 0}
    mine = {"a": np.array([i, -0.0, .1]), "b": np.full((1, 3), 7, np.uint8), "n": 5}
    found = hosts.from_writer(lambda: mine, like=like)
    bits = [found["a"].tobytes().hex(), found["b"].tolist(), int(found["n"])]
    any_of = [hosts.any_of(i == 0), hosts.any_of(i == 1), hosts.any_of(False)]
    value = hosts.on_writer(lambda: {"process": i})
    print(json.dumps([i, called, said, bits, any_of, value]))
"""


def test_all_processes_know_what_the_writer_knows():
    first, second = (json.loads(out[-1]) for out in run(TOGETHER, num_hosts=2))
    said = "the writer's folder is full"
    assert first[:3] == [0, [0], said] and second[:3] == [1, [], f"process 0: {said}"]
    bits = [np.array([0, -0.0, 0.1]).tobytes().hex(), [[7, 7, 7]], 5]
    assert first[3:] == second[3:] == [bits, [True, True, False], {"process": 0}]


def test_alone_the_plain_thing_is_done():
    assert (hosts.num_processes(), hosts.process_id(), hosts.is_writer()) == (
        1,
        0,
        True,
    )
    assert hosts.on_writer(lambda: "x") == "x"
    assert hosts.any_of(True) and not hosts.any_of(False)
    with pytest.raises(KeyError), hosts.ending_together("train"):
        raise KeyError


ERROR = """
    from causal_jax.training import hosts
    hosts._HEARTBEAT_SECONDS = 5
    hosts.start()
    with hosts.ending_together("train"):
        if hosts.process_id() == 1:
            raise ValueError("batch_size 3 does not divide")
        hosts.wait()
"""


def test_an_error_of_one_process_ends_all_at_once():
    started = time.monotonic()
    processes = start(ERROR, num_hosts=2)
    (_, first), (_, second) = (p.communicate(timeout=SECONDS) for p in processes)
    assert processes[0].returncode != 0 and processes[1].returncode == 1
    assert second == "train: process 1 of 2: batch_size 3 does not divide\n"
    assert re.fullmatch(r".*another process.* was lost.*", first.strip())
    assert time.monotonic() - started < SECONDS


# --- rows -----------------------------------------------------------------------------


class Device(NamedTuple):
    process_index: int


def test_every_row_is_kept_by_one_device_and_those_of_a_host_by_its_process():
    rows = np.arange(10).reshape(5, 2)
    kept = hosts.own_rows(rows, [Device(0), Device(1), Device(0)])
    assert kept.shape == (2, 2, 2)  # devices of process 0, rows of each, columns
    np.testing.assert_array_equal(kept[0], rows[:2])
    np.testing.assert_array_equal(kept[1], [rows[4], [0, 0]])


SHARDS = """
    import json
    import jax, numpy as np
    from causal_jax.training import parallel

    random = np.random.default_rng(0)
    rows = {
        "pictures": random.integers(0, 256, (13, 2, 2), dtype=np.uint8),
        "numbers": random.normal(size=13).astype(np.float32),
        "flags": random.integers(0, 2, 13).astype(bool),
    }
    weighted = {**rows, "cumulated": np.cumsum(np.full(13, 1 / 13)).astype(np.float32)}
    key = jax.random.key(0)
    draws = {
        "replaced": (rows, lambda data: parallel.draw(data, key, (3, 8))),
        "weighted": (weighted, lambda data: parallel.draw(data, key, (8,))),
        "in_epochs": (rows, lambda data: parallel.draw_in_epochs(data, key, 2, (8,))),
    }
    result = {}
    for name, (data, draw) in draws.items():
        one, other = (
            jax.device_get(jax.pmap(draw, axis_name="device")(place(data)))
            for place in (parallel.spread, parallel.in_shards)
        )
        result[name] = [
            len(parallel.all_devices()),
            one.keys() == other.keys() == rows.keys(),
            all(one[k].dtype == other[k].dtype == rows[k].dtype for k in rows),
            all(np.array_equal(one[k], other[k]) for k in rows),
        ]
    print(json.dumps(result))
"""


def test_shards_are_read_as_the_rows_that_every_device_has():
    ((*_, last),) = run(SHARDS, num_devices=4)
    for name, found in json.loads(last).items():
        assert found == [4, True, True, True], name


# --- one that dies --------------------------------------------------------------------

ENDLESS = """
    import sys, time
    import jax, numpy as np
    from causal_jax.training import hosts, loop
    from experiments import devices

    hosts.start()
    with hosts.ending_together("train"):
        algorithm, data = devices.algorithms()["label_mle"]()
        loop.fit(
            algorithm, data, key=jax.random.key(1), num_steps=10**6,
            steps_per_dispatch=2, progress=False, workdir=sys.argv[1],
            seconds_per_checkpoint=0.2, on_log=lambda *_: time.sleep(0.05),
        )
"""
IDLE = """
    import sys, time
    from pathlib import Path
    from causal_jax.training import hosts
    hosts._HEARTBEAT_SECONDS = 5
    hosts.start()
    hosts.wait()
    Path(sys.argv[1], "checkpoints", "train", "1").mkdir(parents=True, exist_ok=True)
    with hosts.ending_together("train"):
        time.sleep(1000)
"""


def kill_one(program, victim, workdir):
    """Kills one of two processes once they have come far enough: (code, words)."""
    processes = start(program, workdir, num_hosts=2, num_devices=2)
    saved = workdir / "checkpoints/train"
    deadline = time.monotonic() + 120
    while not any(p.name.isdigit() for p in saved.glob("*")):
        assert time.monotonic() < deadline and processes[0].poll() is None
        time.sleep(0.1)
    processes[victim].kill()
    _, words = processes[1 - victim].communicate(timeout=SECONDS)
    _, last = processes[victim].communicate(timeout=SECONDS)
    assert f"process {victim} of 2 has ended: it was killed" in last
    return processes[1 - victim].returncode, words


@pytest.mark.parametrize("program", [ENDLESS, IDLE], ids=["step", "idle"])
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_other_in_a_line(program, victim, tmp_path):
    code, words = kill_one(program, victim, tmp_path)
    assert code != 0
    assert len(words.strip().splitlines()) == 1, words
    line = words.strip()
    assert re.search(f"process {1 - victim} of 2.*another process.* was lost", line)
    assert line.endswith(
        "start all processes again with the same commands: they resume"
    )
    if program is ENDLESS:
        assert_resumes_alone(tmp_path)


def assert_resumes_alone(workdir):
    """On one device of one host: the same as if nothing had happened, to rounding."""
    last = Checkpoints(workdir / "checkpoints/train").latest()
    algorithm, data = devices.algorithms()["label_mle"]()
    settings = {"key": jax.random.key(1), "num_steps": last + 2, "progress": False}
    went_on = fit(algorithm, data, workdir=workdir, steps_per_dispatch=2, **settings)
    calm = fit(algorithm, data, steps_per_dispatch=last + 2, **settings)
    chex.assert_trees_all_close(went_on.params, calm.params, atol=1e-5)
    text = (workdir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(x)["step"] for x in text] == list(range(2, last + 3, 2))


SIGNALLED = ENDLESS.replace("=0.2", "=1e6").replace(
    'hosts.ending_together("train"):',
    'hosts.ending_together("train"), signals.listening():',
)


@pytest.mark.parametrize("signalled", [0, 1])
def test_a_signal_to_one_process_saves_and_stops_all(signalled, tmp_path):
    processes = start(
        "from causal_jax.training import signals\n" + textwrap.dedent(SIGNALLED),
        tmp_path,
        num_hosts=2,
    )
    log, deadline = tmp_path / "metrics.jsonl", time.monotonic() + 120
    while not (log.is_file() and log.read_text().count("\n") > 3):
        assert time.monotonic() < deadline and processes[0].poll() is None
        time.sleep(0.1)
    processes[signalled].terminate()
    for process in processes:
        process.communicate(timeout=SECONDS)
        assert process.returncode == 128 + signal.SIGTERM
    last = json.loads(log.read_text().splitlines()[-1])["step"]
    assert last > 2
    assert Checkpoints(tmp_path / "checkpoints/train").latest() == last
    assert_resumes_alone(tmp_path)
