"""The ensemble's step: its losses, its rate, its statistics, its two sets of data."""

import textwrap

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from causal_jax.networks import resnet
from causal_jax.networks.resnet import ENSEMBLE, ResNet
from causal_jax.training import ensemble, loop, parallel
from causal_jax.training.ensemble import COUNTERFACTUAL

NETWORK = ResNet((1,), num_classes=3, heads=ENSEMBLE, width=4, small_images=True)
PLAIN = NETWORK.clone(heads=("class",))


def pictures(seed, num, labels):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (num, 8, 8, 3), np.uint8)
    return {"image": images} | {
        name: random.integers(0, 3, num).astype(np.int32) for name in labels
    }


@pytest.fixture(scope="module")
def data():
    names = [f"{head}_label" for head in ENSEMBLE]
    return {**pictures(0, 10, ["label"]), COUNTERFACTUAL: pictures(1, 7, names)}


@pytest.fixture(scope="module")
def batch(data):
    first = {name: leaf[:4] for name, leaf in data.items() if name != COUNTERFACTUAL}
    counterfactual = {name: leaf[:2] for name, leaf in data[COUNTERFACTUAL].items()}
    return {**first, COUNTERFACTUAL: counterfactual}


def one_step(network, batch, **settings):
    settings = {"num_steps": 2, "batch_size": 4, "cf_ratio": 0.5} | settings
    algorithm = ensemble.ensemble(network, mirror=False, **settings)
    state = algorithm.init(jax.random.key(0))
    return state, *jax.jit(algorithm.step)(state, batch, jax.random.key(1))


def cross_entropies(logits, labels):
    log_probs = np.asarray(jax.nn.log_softmax(logits))
    return -log_probs[np.arange(len(labels)), labels]


def floats(images):
    return resnet.normalized(jnp.asarray(images, jnp.float32) / 127.5 - 1)


def test_losses_are_those_of_the_mean_and_of_each_part(batch):
    before, _, info = one_step(NETWORK, batch, fixed_statistics=True)
    real = NETWORK.apply(before.variables, floats(batch["image"]))
    mean = sum(real.values()) / 3
    expected = cross_entropies(mean, batch["label"]).mean()
    np.testing.assert_allclose(info.loss, expected, rtol=1e-5)
    np.testing.assert_allclose(
        info.accuracy, np.mean(np.argmax(mean, -1) == batch["label"])
    )
    rows = batch[COUNTERFACTUAL]
    logits = NETWORK.apply(before.variables, floats(rows["image"]))
    for head in ENSEMBLE:
        expected = cross_entropies(logits[head], rows[f"{head}_label"]).mean()
        np.testing.assert_allclose(getattr(info, head), expected, rtol=1e-5)


def test_a_step_descends_the_sum_of_all_losses_and_decays(batch):
    rate, decay = 0.1, 0.5
    settings = {"learning_rate": rate, "weight_decay": decay, "decay_every": 9}
    before, after, _ = one_step(NETWORK, batch, fixed_statistics=True, **settings)

    def total(params):
        variables = {**before.variables, "params": params}
        real = NETWORK.apply(variables, floats(batch["image"]))
        labels = jax.nn.one_hot(batch["label"], 3)
        result = optax.softmax_cross_entropy(sum(real.values()) / 3, labels).mean()
        rows = batch[COUNTERFACTUAL]
        logits = NETWORK.apply(variables, floats(rows["image"]))
        for head in ENSEMBLE:
            labels = jax.nn.one_hot(rows[f"{head}_label"], 3)
            result += optax.softmax_cross_entropy(logits[head], labels).mean()
        return result

    params = before.variables["params"]
    expected = jax.tree.map(
        lambda p, g: p - rate * (g + decay * p), params, jax.grad(total)(params)
    )
    chex.assert_trees_all_close(after.variables["params"], expected, atol=1e-5)
    statistics = before.variables["batch_stats"]
    chex.assert_trees_all_equal(after.variables["batch_stats"], statistics)


def test_statistics_are_those_of_real_and_counterfactual_pictures_together(batch):
    before, after, _ = one_step(NETWORK, batch)
    images = np.concatenate([batch["image"], batch[COUNTERFACTUAL]["image"]])
    _, expected = NETWORK.apply(
        before.variables, floats(images), train=True, mutable=["batch_stats"]
    )
    chex.assert_trees_all_close(
        after.variables["batch_stats"], expected["batch_stats"], atol=1e-5
    )


def test_a_plain_classifier_reads_no_counterfactuals(batch):
    _, after, info = one_step(PLAIN, {k: batch[k] for k in ("image", "label")})
    assert [info.shape, info.texture, info.background] == [0, 0, 0]
    assert set(after.variables["params"]) == {"backbone", "head_class"}
    assert not ensemble.ensemble(PLAIN, num_steps=2).sets


def test_heads_of_another_network_and_too_few_counterfactuals_are_refused():
    two = NETWORK.clone(heads=("shape", "texture"))
    with pytest.raises(ValueError, match="this network has shape, texture"):
        ensemble.ensemble(two, num_steps=2)
    with pytest.raises(ValueError, match="cf_ratio=0.01 of .* it is at least 0.25"):
        ensemble.ensemble(NETWORK, num_steps=2, batch_size=4, cf_ratio=0.01)


def test_pictures_are_moved_whole_and_mirrored_whole():
    image = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(1, 8, 8, 3)
    images, key = np.repeat(image, 64, axis=0), jax.random.key(0)
    found = ensemble.augmented(images, key, 64, mirror=True, shift=1)
    bytes_found = np.asarray(jnp.round((found + 1) * 127.5)).astype(int)
    padded = np.pad(image[0], ((1, 1), (1, 1), (0, 0)), mode="reflect")
    parts = [padded[i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
    allowed = {part.tobytes() for part in parts}
    mirrored = np.pad(image[0, :, ::-1], ((1, 1), (1, 1), (0, 0)), mode="reflect")
    parts = [mirrored[i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
    allowed |= {part.tobytes() for part in parts}
    drawn = {one.astype(np.uint8).tobytes() for one in bytes_found}
    assert drawn <= allowed and len(drawn) > 12
    still = ensemble.augmented(images, key, 64, mirror=False, shift=0)
    np.testing.assert_allclose(still, images / 127.5 - 1, atol=1e-6)


def test_both_sets_are_read_in_epochs_of_their_own(data):
    algorithm = ensemble.ensemble(NETWORK, num_steps=2, batch_size=5, cf_ratio=1.4)
    seen = {"real": [], "counterfactual": []}

    def step(state, batch, key):
        return state, {
            "real": batch["label"],
            "counterfactual": batch[COUNTERFACTUAL]["shape_label"],
        }

    counting = {"image": data["image"], "label": np.arange(10)}
    counting[COUNTERFACTUAL] = {"shape_label": np.arange(7)}
    for index in range(2):
        _, read = parallel.one_step(
            algorithm._replace(step=step), counting, jax.random.key(0), (), index
        )
        for name, rows in read.items():
            seen[name].append(np.asarray(rows))
    assert sorted(np.concatenate(seen["real"])) == list(range(10))
    for rows in seen["counterfactual"]:
        assert sorted(rows) == list(range(7))
    assert (seen["counterfactual"][0] != seen["counterfactual"][1]).any()


def test_a_resumed_run_equals_an_uninterrupted_one(data, tmp_path):
    algorithm = ensemble.ensemble(
        NETWORK, num_steps=4, batch_size=4, cf_ratio=0.5, shift=1, warm_up=1
    )
    options = {"key": jax.random.key(3), "steps_per_dispatch": 2, "progress": False}
    loop.fit(algorithm, data, num_steps=2, workdir=tmp_path, **options)
    resumed = loop.fit(algorithm, data, num_steps=4, workdir=tmp_path, **options)
    whole = loop.fit(algorithm, data, num_steps=4, **options)
    chex.assert_trees_all_equal(resumed.state, whole.state)


def test_a_smaller_batch_is_read_as_it_is(batch):
    variables = jax.jit(NETWORK.init)(jax.random.key(0), floats(batch["image"]))
    found = ensemble.read_logits(NETWORK, variables, batch["image"][:3], 4)
    assert set(found) == {*ENSEMBLE, "average", "shape_texture"}
    whole = NETWORK.apply(variables, floats(batch["image"]))
    for head in ENSEMBLE:
        np.testing.assert_allclose(found[head], whole[head][:3], atol=1e-5)


PROGRAM = textwrap.dedent(
    """
    import json
    import jax, numpy as np
    from causal_jax.networks.resnet import ENSEMBLE, ResNet
    from causal_jax.training import parallel
    from causal_jax.training.ensemble import ensemble

    network = ResNet((1,), num_classes=3, heads=ENSEMBLE, width=4, small_images=True)
    algorithm = ensemble(network, num_steps=4, batch_size=4, cf_ratio=.5, shift=1,
                         learning_rate=.1, decay_every=9)
    random = np.random.default_rng(0)

    def rows(num, names):
        found = {name: random.integers(0, 3, num).astype(np.int32) for name in names}
        return {"image": random.integers(0, 256, (num, 8, 8, 3), np.uint8), **found}

    data = {**rows(9, ["label"]),
            "counterfactual": rows(5, [f"{head}_label" for head in ENSEMBLE])}

    def run(devices, place):
        state = parallel.replicate(algorithm.init(jax.random.key(0)), devices)
        steps = parallel.train_steps(algorithm, num_steps=2, devices=devices)
        state, info = steps(state, place(data, devices), jax.random.key(1), 0)
        return jax.device_get(parallel.unreplicate((state, info)))

    def gap(a, b):
        gaps = jax.tree.map(lambda x, y: float(np.max(np.abs(x - y))), a, b)
        return max(jax.tree.leaves(gaps))

    one = run(jax.devices()[:1], parallel.spread)
    start = algorithm.init(jax.random.key(0))
    print(json.dumps({
        "moved": gap(start.variables, one[0].variables),
        "spread": gap(one, run(jax.devices(), parallel.spread)),
        "shards": gap(one, run(jax.devices(), parallel.in_shards)),
    }))
    """
)


def test_two_devices_equal_one_with_two_sets_of_data(run_on_devices):
    found = run_on_devices(PROGRAM, 2)
    assert found["moved"] > 1e-3
    assert found["spread"] < 1e-5
    assert found["shards"] < 1e-5


def test_counterfactuals_that_do_not_divide_over_the_devices_are_refused():
    algorithm = ensemble.ensemble(NETWORK, num_steps=2, batch_size=4, cf_ratio=0.75)
    with pytest.raises(ValueError, match="batch_size 3 does not divide over 2"):
        parallel.train_steps(algorithm, num_steps=1, devices=jax.devices() * 2)
