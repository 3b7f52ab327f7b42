"""Training of counterfactual generative networks."""

import textwrap

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks.cgn import mnist as networks
from causal_jax.networks.cgn.composition import LABELS, PARTS
from causal_jax.networks.cgn.discriminators import (
    ConvDiscriminator,
    LinearDiscriminator,
    ProjectionDiscriminator,
)
from causal_jax.training.cgn import MODEL, NUM_STEPS, REFERENCE, cgn


def _features(images):
    return images, images[:, ::2, ::2] ** 2


def _data():
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (40, 32, 32, 3)).astype(np.float32)
    return {"images": images, "labels": random.integers(0, 10, 40).astype(np.int32)}


def _model():
    return networks.scm(width=2, noise_size=3)


@pytest.fixture(scope="module")
def trained(train_once):
    """(before, after, info) of two steps with style loss."""
    algorithm = cgn(
        _model(),
        LinearDiscriminator(4),
        features_fn=_features,
        style_weights=(1.0, 2.0),
        batch_size=4,
    )
    before, after, info, *_ = train_once(algorithm, _data())
    return algorithm, before, after, info


def test_state_keeps_its_shapes_and_every_trained_leaf_changes(trained):
    _, before, after, info = trained
    chex.assert_trees_all_equal_shapes_and_dtypes(before, after)
    pairs = [(before.model[p]["params"], after.model[p]["params"]) for p in PARTS]
    pairs.append((before.discriminator["params"], after.discriminator["params"]))
    for old, new in pairs:
        moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), old, new)
        assert all(jax.tree.leaves(moved)), moved
    assert np.isfinite(np.array(info)).all()
    assert float(info.style) > 0 and 0 < float(info.entropy) < 1


def test_what_is_sampled_from_is_the_model_itself_without_averaging(trained):
    algorithm, _, after, _ = trained
    params = algorithm.params(after)
    chex.assert_trees_all_close(params, after.model, atol=1e-6, rtol=0)
    images = _model().sample(params, jax.random.key(0), num=2)["image"]
    assert bool(jnp.isfinite(images).all())


def test_reference_settings_are_those_of_the_published_runs():
    assert REFERENCE["colored"]["style_weights"] == pytest.approx((12.5, 50, 0.5, 0))
    assert REFERENCE["double_colored"]["style_weights"] == pytest.approx(
        (0, 12.5, 0, 12.5)
    )
    assert REFERENCE["wildlife"]["style_weights"] == pytest.approx((0.5, 12.5, 0, 0.5))
    for name, settings in REFERENCE.items():
        cgn(
            networks.scm(**MODEL[name]),
            ConvDiscriminator(2),
            features_fn=_features,
            num_steps=NUM_STEPS[name],
            **settings,
        )


def test_training_draws_the_shape_s_noise_untruncated(train_once):
    after = []
    for truncation in (1.0, 0.1):
        model = networks.scm(width=2, noise_size=3, truncation=truncation)
        algorithm = cgn(model, LinearDiscriminator(4), batch_size=4)
        after.append(train_once(algorithm, _data())[1].model)
    chex.assert_trees_all_equal(*after)


def test_style_weights_without_features_are_refused():
    with pytest.raises(ValueError, match="give features_fn, or no weights"):
        cgn(_model(), LinearDiscriminator(4), style_weights=(1.0,))


@pytest.mark.parametrize("settings", [{"batch_size": 3}, {"matched_labels": True}])
def test_a_spread_without_pairs_is_refused(settings):
    with pytest.raises(
        ValueError, match="an even number of pictures per device and without"
    ):
        cgn(_model(), LinearDiscriminator(4), spread_weights=(1.0, 0.0), **settings)


def test_a_spread_of_other_parts_is_refused():
    for model, weights in ((_model(), (1.0,)), (networks.gan(), (1.0, 0.0))):
        with pytest.raises(ValueError, match="two numbers, of foreground and back"):
            cgn(model, LinearDiscriminator(4), spread_weights=weights)


def test_a_spread_moves_the_colours_of_a_class_apart(train_once):
    """Twenty steps in which little else counts."""
    distances = {}
    for weight in (0.0, 10.0):
        weights = weight, 0.0
        algorithm = cgn(
            _model(), LinearDiscriminator(4), batch_size=8, spread_weights=weights
        )
        _, after, *_ = train_once(algorithm, _data(), num_steps=20)
        do = dict.fromkeys(LABELS, 3)
        drawn = _model().sample(after.model, jax.random.key(2), num=16, do=do)
        distances[weight] = float(drawn["texture"].mean((1, 2)).std(0).mean())
    assert distances[10.0] > 1.5 * distances[0.0]


PROGRAM = textwrap.dedent(
    """
    import json, os
    # Compiling is nearly all of this test's time.
    os.environ["XLA_FLAGS"] += " --xla_backend_optimization_level=0"
    import jax, numpy as np, optax
    optax.adam = lambda rate, *betas: optax.sgd(rate)
    from causal_jax.networks.cgn import mnist as networks
    from causal_jax.networks.cgn.discriminators import ConvDiscriminator
    from causal_jax.training import parallel
    from causal_jax.training.cgn import cgn

    random = np.random.default_rng(0)
    data = {"images": random.uniform(-1, 1, (40, 32, 32, 3)).astype(np.float32),
            "labels": random.integers(0, 10, 40).astype(np.int32)}
    gap = lambda a, b: max(jax.tree.leaves(jax.tree.map(
        lambda x, y: float(np.max(np.abs(x - y))), a, b)))

    algorithm = cgn(networks.scm(width=1, noise_size=3), ConvDiscriminator(1),
                    batch_size=8, learning_rate=.05, discriminator_learning_rate=.05,
                    features_fn=lambda x: (x,), style_weights=(1.,),
                    border_weight=1., spread_weights=(1., .5))
    start = jax.tree.map(np.asarray, algorithm.init(jax.random.key(0)))

    def run(devices):
        state = parallel.replicate(start, devices)
        steps = parallel.train_steps(algorithm, num_steps=1, devices=devices)
        state, info = steps(state, parallel.replicate(data, devices),
                            jax.random.key(1), 0)
        return jax.tree.map(np.asarray, parallel.unreplicate((state, info)))

    one, four = run(jax.devices()[:1]), run(jax.devices())
    print(json.dumps({"gap": gap(one, four), "devices": len(jax.devices()),
                      "moved": gap(start.model, one[0].model)}))
    """
)


def test_four_devices_equal_one(run_on_devices):
    result = run_on_devices(PROGRAM, 4)
    assert result["devices"] == 4
    assert result["moved"] > 1e-3
    assert result["gap"] < 1e-4


def test_smoothness_flattens_the_discriminator_at_real_images(train_once):
    """A step of a large penalty lowers D's slope there; one without it does not."""
    slopes = {}
    for smoothness in (0.0, 1e4):
        algorithm = cgn(
            _model(),
            ProjectionDiscriminator(2),
            batch_size=4,
            smoothness=smoothness,
            discriminator_learning_rate=1e-2,
        )
        _, after, info, *_ = train_once(algorithm, _data())
        assert np.isfinite(np.array(info)).all()
        images, labels = _data()["images"][:8], _data()["labels"][:8]

        def score(images, after=after, labels=labels):
            critic = ProjectionDiscriminator(2)
            kept = jnp.ones((8, 16))
            return jnp.sum(critic.apply(after.discriminator, images, labels, kept))

        slopes[smoothness] = float(jnp.sum(jax.grad(score)(images) ** 2))
    assert slopes[1e4] < 0.5 * slopes[0.0]
