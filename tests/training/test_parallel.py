import functools
import textwrap

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.training import parallel
from causal_jax.training.checkpoint import Checkpoints
from causal_jax.training.label_mle import label_mle

# Adam hides a wrong scale of the gradient: its first step is the learning rate whatever
# the gradient is. So the optimiser is replaced by SGD before the algorithms are built.
PROGRAM = textwrap.dedent(
    """
    import json
    import jax, numpy as np, optax
    optax.adam = lambda rate, *betas, **named: optax.sgd(rate)

    from causal_jax import graph as graphs
    from causal_jax.networks.controller import controller, reference_controller
    from causal_jax.training import loop, parallel
    from causal_jax.training.checkpoint import Checkpoints
    from causal_jax.training.label_local_wgan import label_local_wgan
    from causal_jax.training.label_mle import label_mle
    from causal_jax.training.label_wgan import label_wgan

    graph = graphs.build([("A", "B")], states={"A": "01", "B": ("x", "y", "z")})
    explicit = controller(graph, hidden=(4,))
    implicit = reference_controller(graphs.named("male_causes_mustache"))
    settings = dict(num_steps=9, batch_size=16, critic_hidden=(6,),
                    learning_rate=.5, critic_learning_rate=.5)
    algorithms = {
        "wgan": label_local_wgan(explicit, **settings),
        "wgan_implicit": label_wgan(implicit, decay=False, **settings),
        "mle": label_mle(explicit, num_steps=9, batch_size=16, learning_rate=.5),
    }
    rows = {"rows": np.random.default_rng(0).integers(0, 2, (50, 2))}
    devices = jax.devices()
    assert len(devices) == 4
    compilations = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, *_, **__: "backend_compile" in name and compilations.append(name)
    )

    def run(algorithm, devices):
        state = parallel.replicate(algorithm.init(jax.random.key(0)), devices)
        start = parallel.unreplicate(jax.device_get(state))
        data = parallel.replicate(rows, devices)
        steps = parallel.train_steps(algorithm, num_steps=2, devices=devices)
        state, info = steps(state, data, jax.random.key(1), 0)
        copies = [np.ptp(np.asarray(x, float), axis=0).max()
                  for x in jax.tree.leaves(state) if x.size]
        return start, jax.tree.map(np.asarray, parallel.unreplicate((state, info))), \\
            float(max(copies)), parallel.unreplicate(state)

    def gap(a, b):
        gaps = jax.tree.map(lambda x, y: float(np.max(np.abs(x - y), initial=0)), a, b)
        return max(jax.tree.leaves(gaps))

    result = {}
    for name, algorithm in algorithms.items():
        start, one, _, _ = run(algorithm, devices[:1])
        _, four, spread, state = run(algorithm, devices)
        moved = gap(start.params, one[0].params)
        result[name] = {"gap": gap(one, four), "spread": spread, "moved": moved}
        if name == "mle":
            Checkpoints(WORKDIR).save(2, state, algorithm.params(state))

    algorithm = algorithms["mle"]
    state = parallel.replicate(algorithm.init(jax.random.key(0)), devices)
    data = parallel.replicate(rows, devices)
    steps = parallel.train_steps(algorithm, num_steps=2, devices=devices)
    result["compilations"] = []
    for first in (0, 2, 4):
        before = len(compilations)
        state, _ = steps(state, data, jax.random.key(1), first)
        result["compilations"].append(len(compilations) - before)

    def went_on(workdir):
        # How far a run in two parts is from one in one; None if it cannot go on.
        steps = {"key": jax.random.key(3), "steps_per_dispatch": 2, "progress": False}
        try:
            loop.fit(algorithm, rows, num_steps=2, workdir=workdir, **steps)
            ended = loop.fit(algorithm, rows, num_steps=4, workdir=workdir, **steps)
        except ValueError:
            return None
        calm = loop.fit(algorithm, rows, num_steps=4, **steps)
        return gap(jax.device_get(calm.state), jax.device_get(ended.state))

    result["went_on"] = went_on(WORKDIR + "/run")
    print(json.dumps(result))
    """
)


@pytest.fixture(scope="module")
def four_devices(run_on_devices, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("four")
    return run_on_devices(f"WORKDIR = {str(workdir)!r}\n{PROGRAM}", 4), workdir


@pytest.mark.parametrize("name", ["wgan", "wgan_implicit", "mle"])
def test_four_devices_equal_one(four_devices, name):
    found = four_devices[0][name]
    assert found["moved"] > 1e-3, "two steps that change nothing would compare equal"
    assert found["gap"] < 1e-5
    assert found["spread"] == 0, "every device holds the same state"


def test_on_several_devices_steps_compile_once(four_devices):
    first, *later = four_devices[0]["compilations"]
    assert first >= 1 and later == [0, 0]


def test_a_run_on_several_devices_goes_on_where_it_was(four_devices):
    assert four_devices[0]["went_on"] == 0


def test_a_checkpoint_of_four_devices_is_read_on_one(four_devices, tiny_scm):
    assert len(jax.devices()) == 1
    fresh = tiny_scm.init(jax.random.key(0))
    restored = Checkpoints(four_devices[1]).restore_params(2, fresh)
    assert jax.tree.structure(restored) == jax.tree.structure(fresh)
    leaves = jax.tree.leaves(restored)
    assert all(leaf.devices() == set(jax.devices()) for leaf in leaves)
    assert any(
        bool((a != b).any())
        for a, b in zip(leaves, jax.tree.leaves(fresh), strict=True)
    )


def on_one_device(fn, *arguments):
    mapped = jax.pmap(fn, axis_name=parallel.DEVICE_AXIS, devices=jax.devices()[:1])
    return mapped(*jax.tree.map(lambda x: jnp.asarray(x)[None], arguments))


def test_a_batch_that_does_not_divide_is_a_clear_error():
    with pytest.raises(
        ValueError, match="batch_size 10 does not .* 4 devices: use 8 or 12"
    ):
        parallel.require_divisible(10, 4)
    with pytest.raises(ValueError, match="batch_size 3 .* devices: use 4$"):
        parallel.require_divisible(3, 4)
    parallel.require_divisible(12, 4)


def test_train_steps_refuses_a_batch_that_does_not_divide(tiny_scm):
    algorithm = label_mle(tiny_scm, num_steps=2, batch_size=3)
    with pytest.raises(ValueError, match="batch_size 3 does not divide over 2"):
        parallel.train_steps(algorithm, num_steps=1, devices=jax.devices() * 2)


def test_single_steps_equal_those_of_a_loop(tiny_scm):
    algorithm = label_mle(tiny_scm, num_steps=2, batch_size=4)
    rows = np.zeros((9, len(tiny_scm.nodes)), np.int32)
    data = parallel.replicate({"rows": rows})
    found = []
    for size in (1, 2):
        state = parallel.replicate(algorithm.init(jax.random.key(0)))
        steps = parallel.train_steps(algorithm, num_steps=size)
        for first in range(0, 2, size):
            state, info = steps(state, data, jax.random.key(1), first)
        assert all(leaf.shape == (1,) for leaf in jax.tree.leaves(info))
        found.append(state)
    chex.assert_trees_all_close(*found, atol=1e-6)


def test_a_batch_is_drawn_with_replacement_from_all_rows():
    data = {"rows": np.arange(7), "twice": 2 * np.arange(7)}
    batch = on_one_device(
        lambda data: parallel.draw(data, jax.random.key(0), (5, 2000)), data
    )
    rows = np.asarray(batch["rows"][0])
    assert rows.shape == (5, 2000)
    np.testing.assert_array_equal(batch["twice"][0], 2 * rows)
    frequencies = np.bincount(rows.ravel(), minlength=7) / rows.size
    standard_error = np.sqrt(1 / 7 * 6 / 7 / rows.size)
    assert np.all(np.abs(frequencies - 1 / 7) < 5 * standard_error)


def test_replicate_and_unreplicate_are_inverse():
    tree = {"a": np.arange(3.0), "b": (np.int32(2),)}
    back = parallel.unreplicate(parallel.replicate(tree))
    chex.assert_trees_all_equal(back, tree)


def test_memory_is_what_is_given_to_a_program_and_what_it_makes():
    state, data = jnp.ones((100, 100)), jnp.ones((50, 100))

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, data):
        return state + data.sum(), jnp.stack([data, data])

    found = parallel.memory(step.lower(state, data).compile())
    assert found.kept == 4 * (state.size + data.size)
    # The new state takes the old one's place; beside it are the stacked data.
    assert 8 * data.size <= found.of_step <= 8 * data.size + 1000
    assert found.total == found.kept + found.of_step


def test_one_turn_of_a_scan_is_no_loop():
    def body(carry, x):
        return carry + x, carry * x

    for num, loops in ((1, False), (3, True)):
        inputs = jnp.arange(1.0, num + 1)
        found = parallel.scan(body, jnp.float32(2), inputs)
        chex.assert_trees_all_equal(found, jax.lax.scan(body, jnp.float32(2), inputs))
        lowered = jax.jit(lambda x: parallel.scan(body, jnp.float32(2), x))
        assert ("stablehlo.while" in lowered.lower(inputs).as_text()) == loops
