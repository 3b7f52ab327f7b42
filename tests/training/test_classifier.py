"""Training of the digit classifier, on small networks."""

import textwrap

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from causal_jax.networks.digit_classifier import DigitClassifier
from causal_jax.training import classifier as training
from causal_jax.training import loop
from causal_jax.training.classifier import classifier, predict


class Linear(nn.Module):
    """Mean colour to logits; what `DigitClassifier` looks like from outside."""

    axis_name: str | None = None

    @nn.compact
    def __call__(self, images, train):
        self.variable("batch_stats", "count", lambda: jnp.zeros(()))
        return nn.Dense(10, name="dense")(jnp.mean(images, axis=(1, 2)))


def _pictures(num=60):
    """Three classes, each of its own colour."""
    labels = np.arange(num, dtype=np.int32) % 3
    images = np.eye(3, dtype=np.float32)[labels][:, None, None]
    return {"images": np.tile(images, (1, 32, 32, 1)), "labels": labels}


def test_it_learns_and_is_read():
    module, data = Linear(), _pictures()
    algorithm = classifier(module, steps_per_epoch=200, batch_size=10)
    fit = loop.fit(
        algorithm, data, key=jax.random.key(0), num_steps=200, progress=False
    )
    found = predict(module, fit.params, jnp.asarray(data["images"]), batch_size=7)
    np.testing.assert_array_equal(found, data["labels"])


def test_the_rate_falls_after_every_epoch(train_once):
    """Adadelta's first steps are proportional to the rate."""
    data, moves = _pictures(), []
    for rate, decay in ((1.0, 0.7), (0.5, 0.7), (1.0, 0.0)):
        algorithm = classifier(
            Linear(), steps_per_epoch=1, batch_size=60, learning_rate=rate, decay=decay
        )
        state = algorithm.init(jax.random.key(0))
        states = [state]
        for _ in range(2):
            state, _ = algorithm.step(state, data, jax.random.key(1))
            states.append(state)
        kernels = [s.variables["params"]["dense"]["kernel"] for s in states]
        moves.append(
            [np.asarray(b - a) for a, b in zip(kernels, kernels[1:], strict=False)]
        )
    np.testing.assert_allclose(moves[1][0], 0.5 * moves[0][0], rtol=1e-4)
    assert np.abs(moves[0][1]).max() > 0
    np.testing.assert_array_equal(moves[2][1], 0)  # the second epoch's rate is 0


def test_drawn_pictures_replace_the_data_s():
    def draw(batch, key, num):
        assert batch["labels"].shape == (num,)
        labels = jax.random.randint(key, (num,), 0, 3)
        return jnp.tile(jnp.eye(3)[labels][:, None, None], (1, 32, 32, 1)), labels

    algorithm = classifier(Linear(), steps_per_epoch=200, batch_size=10, draw_fn=draw)
    fit = loop.fit(
        algorithm,
        {"labels": jnp.full(90, 9)},
        key=jax.random.key(0),
        num_steps=200,
        progress=False,
    )
    data = _pictures(9)
    found = predict(Linear(), fit.params, jnp.asarray(data["images"]))
    np.testing.assert_array_equal(found, data["labels"])


def test_invariant_risk_is_the_worked_derivative():
    random = np.random.default_rng(0)
    logits = random.normal(size=(8, 10)).astype(np.float32)
    labels = random.integers(0, 10, 8)
    environments = np.array([0, 0, 0, 1, 1, 1, 1, 1])

    def risk(scale, rows):
        losses = optax.softmax_cross_entropy_with_integer_labels(
            scale * logits[rows], labels[rows]
        )
        return float(jnp.mean(losses))

    def slope(rows):
        return (risk(1.001, rows) - risk(0.999, rows)) / 0.002

    is_first = np.array([True, False, True, True, False, True, False, False])
    order = np.argsort(~is_first, kind="stable")  # the first half of the batch
    risks, products = [], []
    for one in (0, 1):
        own = environments == one
        risks.append(risk(1.0, own))
        products.append(slope(own & is_first) * slope(own & ~is_first))
    found, penalty = training._invariant_risk(
        logits[order], labels[order], environments[order], 2
    )
    assert float(found) == pytest.approx(np.mean(risks), rel=1e-5)
    assert float(penalty) == pytest.approx(np.mean(products), rel=1e-2)


def test_noise_of_the_batch_is_not_penalised():
    """Where the whole slope is zero, penalties average to zero over batches."""
    random = np.random.default_rng(1)
    num, environments = 2000, np.zeros(8, int)
    labels = jnp.asarray(random.integers(0, 2, (num, 8)))
    # Of both labels alike whatever the logit's sign: the best scale is zero, and there
    # the slope has no mean.
    logits = random.normal(size=(num, 8, 1)) * np.array([0.0, 1e-3])
    penalties = jax.vmap(
        lambda logits, labels: training._invariant_risk(
            logits, labels, environments, 1
        )[1]
    )(jnp.asarray(logits, jnp.float32), labels)
    standard_error = float(jnp.std(penalties)) / np.sqrt(num)
    assert abs(float(jnp.mean(penalties))) < 4 * standard_error


def test_the_halves_of_a_penalised_batch_are_normalised_each_by_itself():
    """With statistics in common their slopes' product can be driven below zero."""
    module = DigitClassifier()
    random = np.random.default_rng(2)
    images = jnp.asarray(
        random.normal(size=(8, 32, 32, 3)) + np.arange(8)[:, None, None, None],
        jnp.float32,
    )
    labels = jnp.asarray(random.integers(0, 10, 8))
    algorithm = classifier(
        module, steps_per_epoch=1, batch_size=8, num_environments=1, penalty_weight=1.0
    )
    state = algorithm.init(jax.random.key(0))
    batch = {
        "images": images,
        "labels": labels,
        "environments": jnp.zeros(8, jnp.int32),
    }
    _, info = algorithm.step(state, batch, jax.random.key(1))

    def slope(half):
        logits, _ = module.apply(
            state.variables, images[half], True, mutable=["batch_stats"]
        )
        return jax.grad(
            lambda scale: jnp.mean(
                optax.softmax_cross_entropy_with_integer_labels(
                    scale * logits, labels[half]
                )
            )
        )(1.0)

    expected = slope(slice(0, 4)) * slope(slice(4, 8))
    assert float(info.penalty) == pytest.approx(float(expected), rel=1e-4)


def test_a_batch_that_cannot_be_halved_is_one_line():
    with pytest.raises(ValueError, match="batch_size=7 over 1 devices is odd"):
        classifier(Linear(), steps_per_epoch=1, batch_size=7, num_environments=2)


PROGRAM = textwrap.dedent(
    """
    import json
    import jax, numpy as np, optax
    optax.adadelta = lambda rate, **_: optax.sgd(rate)  # shows a wrong gradient's scale

    from causal_jax.networks.digit_classifier import DigitClassifier
    from causal_jax.training import parallel
    from causal_jax.training.classifier import classifier

    algorithm = classifier(DigitClassifier(), steps_per_epoch=9, batch_size=4)
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (6, 32, 32, 3)).astype(np.float32)
    data = {"images": images, "labels": np.arange(6)}

    def run(devices):
        state = parallel.replicate(algorithm.init(jax.random.key(0)), devices)
        steps = parallel.train_steps(algorithm, num_steps=2, devices=devices)
        rows = parallel.replicate(data, devices)
        state, info = steps(state, rows, jax.random.key(1), 0)
        return jax.device_get(parallel.unreplicate((state.variables, info)))

    one, two = run(jax.devices()[:1]), run(jax.devices())
    gaps = jax.tree.map(lambda a, b: float(np.max(np.abs(a - b))), one, two)
    print(json.dumps(max(jax.tree.leaves(gaps))))
    """
)


def test_two_devices_do_what_one_does(run_on_devices):
    assert run_on_devices(PROGRAM, 2) < 1e-4
