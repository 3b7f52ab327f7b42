import textwrap

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from causal_jax.losses import began as losses
from causal_jax.networks import began
from causal_jax.networks.image import ImageGenerator
from causal_jax.training.causal_began import REFERENCE, causal_began

SMALL = {"resolution": 16, "width": 4, "noise_size": 5}
COMPACT = ImageGenerator((2, 3), **SMALL)
BEGAN = ImageGenerator((2, 3), **SMALL, architecture="began")
AUTOENCODER, LABELER = began.critics(BEGAN)
UNSEEN = np.array([[0, 1, 1, 2]], np.int32)


def _data():
    random = np.random.default_rng(0)
    labels = np.stack([random.integers(0, k, 40) for k in (2, 3)], -1)
    images = random.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    return {"images": images, "labels": labels}


def _batch(size):
    return jax.tree.map(
        lambda leaf: jnp.asarray(leaf[: 2 * size].reshape(2, size, *leaf.shape[1:])),
        _data(),
    )


@pytest.mark.parametrize(
    ("generator", "settings"),
    [
        (COMPACT, {"batch_size": 4, "unseen": UNSEEN, "flip": True}),
        (BEGAN, {**REFERENCE, "batch_size": 4}),
    ],
    ids=["default", "reference"],
)
def test_state_keeps_its_shapes_and_every_trained_leaf_changes(
    train_once, generator, settings
):
    algorithm = causal_began(generator, **settings)
    before, after, info, *_ = train_once(algorithm, _data())
    chex.assert_trees_all_equal_shapes_and_dtypes(before, after)
    for old, new in (
        (before.generator["params"], after.generator["params"]),
        (before.critics, after.critics),
    ):
        moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), old, new)
        assert all(jax.tree.leaves(moved))
    assert np.isfinite(np.array(info)).all()


@pytest.mark.parametrize("factors", [None, (1.0, 4.0)])
def test_both_players_descend_their_own_losses(monkeypatch, factors):
    monkeypatch.setattr(optax, "adam", lambda rate, *betas: optax.sgd(rate))
    settings = {"batch_size": 4, "learning_rate": 1.0, "image_weight": 3.0}
    algorithm = causal_began(
        BEGAN, **{**REFERENCE, **settings, "label_factors": factors}
    )
    of_codes = np.array([1, 4, 4, 4]) if factors else 1  # one code, and three
    controls = losses.Controls(*map(jnp.float32, (0.3, 0.2, 0.6)))
    before = algorithm.init(jax.random.key(0))._replace(controls=controls)
    key = jax.random.key(1)
    batch = _batch(4)
    after, info = jax.jit(algorithm.step)(before, batch, key)
    codes = jax.vmap(jax.vmap(lambda row: BEGAN.encode(tuple(row))))(batch["labels"])
    real = batch["images"][0] / 127.5 - 1
    # The noise of this step, as the algorithm draws it.
    key_noise = jax.random.split(jax.random.split(key)[1], 4)[0]
    noise = BEGAN.noise(key_noise, 4)

    def draw(params):
        return BEGAN.apply_train({"params": params}, codes[1], noise)[0]

    def image(critics, v):
        drawn = AUTOENCODER.apply(critics["autoencoder"], v)
        return losses.reconstruction_error(drawn, v)

    def label(critics, v, codes):
        logits = LABELER.apply(critics["labeler"], v)
        return jnp.mean(of_codes * (jax.nn.sigmoid(logits) - codes) ** 2)

    def generator_loss(params):
        fake = draw(params)
        critics = before.critics
        return 3 * image(critics, fake) + 0.6 * label(critics, fake, codes[1])

    def critics_loss(critics):
        fake = draw(before.generator["params"])
        of_images = image(critics, real) - 0.3 * image(critics, fake)
        of_labels = label(critics, real, codes[0]) - 0.2 * label(
            critics, fake, codes[1]
        )
        return of_images + of_labels

    def descended(loss, params, rate):
        gradients = jax.jit(jax.grad(loss))(params)
        return jax.tree.map(lambda p, g: p - rate * g, params, gradients)

    generator = descended(generator_loss, before.generator["params"], 1.0)
    critics = descended(critics_loss, before.critics, REFERENCE["critic_learning_rate"])
    for mine, found in (
        (generator, after.generator["params"]),
        (critics, after.critics),
    ):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), mine, found
        )
    errors = losses.Errors(
        info.image_real, info.image_fake, info.label_real, info.label_fake
    )
    margins = losses.margins(errors, REFERENCE["gammas"])
    expected = losses.controlled(controls, margins, REFERENCE["rates"])
    np.testing.assert_allclose(after.controls, expected, atol=1e-7)
    assert float(info.convergence) == pytest.approx(
        float(info.image_real + abs(info.b1))
    )


def test_the_labeler_alone_sees_augmented_pictures():
    """Of none it is as without; of all of them labels are read otherwise."""
    infos = []
    for settings in ({}, {"augmented_share": 0.0}, {"augmented_share": 1.0}):
        kinds = ("cutout",) if settings else ()
        algorithm = causal_began(COMPACT, batch_size=4, augmentation=kinds, **settings)
        state = algorithm.init(jax.random.key(0))
        infos.append(algorithm.step(state, _batch(4), jax.random.key(1))[1])
    plain, none, every = infos
    np.testing.assert_allclose(np.array(none), np.array(plain), rtol=1e-5)
    assert every.image_real == plain.image_real
    assert every.image_fake == plain.image_fake
    assert abs(every.label_real - plain.label_real) > 1e-5
    assert abs(every.label_fake - plain.label_fake) > 1e-5
    with pytest.raises(ValueError, match="not 'blur'"):
        causal_began(COMPACT, augmentation=("blur",))


def test_factors_of_other_labels_are_refused():
    with pytest.raises(ValueError, match="3 label_factors for 2 labels"):
        causal_began(COMPACT, label_factors=(1, 2, 3))


def test_without_the_third_margin_labels_keep_their_weight(train_once):
    algorithm = causal_began(COMPACT, batch_size=4, third_margin=False)
    _, after, info, *_ = train_once(algorithm, _data())
    assert float(after.controls.c3) == float(info.c3) == 1


def test_the_distance_moves_the_generator_only(monkeypatch):
    monkeypatch.setattr(optax, "adam", lambda rate, *betas: optax.sgd(rate))
    found = []
    for weight in (0.0, 10.0):
        algorithm = causal_began(BEGAN, batch_size=4, distance_weight=weight)
        before = algorithm.init(jax.random.key(0))
        after, _ = jax.jit(algorithm.step)(before, _batch(4), jax.random.key(1))
        found.append((after.generator, after.critics))
    for moved, (one, other) in zip(
        (True, False), zip(*found, strict=True), strict=True
    ):
        same = jax.tree.leaves(jax.tree.map(np.array_equal, one, other))
        assert not any(same) if moved else all(same)


def test_unknown_label_loss_is_refused():
    with pytest.raises(ValueError, match="'squarediff', 'absdiff' or 'xe'"):
        causal_began(COMPACT, label_loss="theory")


PROGRAM = textwrap.dedent(
    """
    import json
    import jax, numpy as np, optax
    optax.adam = lambda rate, *betas: optax.sgd(rate)
    from causal_jax.networks.image import ImageGenerator
    from causal_jax.training import parallel
    from causal_jax.training.causal_began import causal_began

    generator = ImageGenerator((2, 3), resolution=16, width=4, noise_size=5)
    algorithm = causal_began(generator, batch_size=8, learning_rate=.05,
                             critic_learning_rate=.05, flip=True, rates=(1., 1., 1.),
                             distance_weight=3., unseen=np.array([[0, 1, 1, 2]]))
    random = np.random.default_rng(0)
    data = {"images": random.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8),
            "labels": np.stack([random.integers(0, k, 40) for k in (2, 3)], -1)}

    def run(devices):
        state = parallel.replicate(algorithm.init(jax.random.key(0)), devices)
        steps = parallel.train_steps(algorithm, num_steps=2, devices=devices)
        state, info = steps(state, parallel.replicate(data, devices),
                            jax.random.key(1), 0)
        return jax.tree.map(np.asarray, parallel.unreplicate((state, info)))

    start = jax.tree.map(np.asarray, algorithm.init(jax.random.key(0)))
    one, four = run(jax.devices()[:1]), run(jax.devices())
    gap = lambda a, b: max(jax.tree.leaves(jax.tree.map(
        lambda x, y: float(np.max(np.abs(x - y))), a, b)))
    print(json.dumps({"gap": gap(one, four), "devices": len(jax.devices()),
                      "moved": gap(start.generator, one[0].generator),
                      "controls": gap(start.controls, one[0].controls)}))
    """
)


def test_four_devices_equal_one(run_on_devices):
    result = run_on_devices(PROGRAM, 4)
    assert result["devices"] == 4
    assert result["moved"] > 1e-3 and result["controls"] > 1e-3
    assert result["gap"] < 1e-4
