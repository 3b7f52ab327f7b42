import textwrap

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.networks.image import ImageGenerator
from causal_jax.training import parallel
from causal_jax.training.augmentation import augment
from causal_jax.training.causal_gan import (
    LABELER,
    REFERENCE,
    causal_gan,
    with_labeler_of,
)
from causal_jax.training.image_stage import flattened

GENERATORS = {
    "compact": ImageGenerator((2, 3), resolution=16, width=4, noise_size=5),
    "dcgan": ImageGenerator(
        (2, 3),
        resolution=16,
        width=2,
        noise_size=5,
        architecture="dcgan",
        label_noise="reference",
    ),
}


def _data():
    random = np.random.default_rng(0)
    labels = np.stack([random.integers(0, k, 40) for k in (2, 3)], -1)
    images = random.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    return {"images": images, "labels": labels, "cumulated": flattened(labels, 0.5)}


@pytest.fixture(scope="module")
def trained(train_once):
    """(algorithm, before, after, info) of two steps of the default."""
    algorithm = causal_gan(GENERATORS["compact"], batch_size=4, flip=True)
    before, after, info, *_ = train_once(algorithm, _data())
    return algorithm, before, after, info


def test_state_keeps_its_shapes_and_every_trained_leaf_changes(trained):
    _, before, after, info = trained
    chex.assert_trees_all_equal_shapes_and_dtypes(before, after)
    for name in ("generator", "critics"):
        old, new = getattr(before, name)["params"], getattr(after, name)["params"]
        moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), old, new)
        assert all(jax.tree.leaves(moved)), name
    assert np.isfinite(np.array(info)).all()


def test_first_average_is_the_generator_itself():
    algorithm = causal_gan(GENERATORS["compact"], batch_size=4)
    state = algorithm.init(jax.random.key(0))
    steps = parallel.train_steps(algorithm, num_steps=1, devices=jax.devices()[:1])
    device = jax.devices()[:1]
    state, _ = steps(
        parallel.replicate(state, device),
        parallel.replicate(_data(), device),
        jax.random.key(1),
        0,
    )
    chex.assert_trees_all_close(state.average, state.generator, atol=1e-6, rtol=0)


def test_reference_updates_critics_every_third_step_and_generator_twice(train_once):
    settings = {**REFERENCE, "batch_size": 4}
    algorithm = causal_gan(GENERATORS["dcgan"], **settings)
    _, after, info, *_ = train_once(algorithm, _data())
    assert int(after.generator_optimizer[0].count) == 4  # two steps, twice each
    assert int(after.critics_optimizer[0].count) == 1
    assert float(info.noise_error) > 0


def test_what_critics_log_is_read_as_means_of_steps_whatever_they_sit_out():
    """Rates of 0: every update of the critics logs the same, but for its noise."""
    data, logged = _data(), {}
    batch = {
        "images": jnp.stack([data["images"][:4]] * 2),
        "labels": jnp.stack([data["labels"][:4]] * 2),
    }
    for every in (1, 3):
        settings = {"learning_rate": 0.0, "critic_learning_rate": 0.0}
        algorithm = causal_gan(
            GENERATORS["compact"], batch_size=4, critics_every=every, **settings
        )
        state, step = algorithm.init(jax.random.key(0)), jax.jit(algorithm.step)
        infos = []
        for i in range(6):
            state, info = step(state, batch, jax.random.key(i))
            infos.append(info)
        logged[every] = jax.tree.map(lambda *x: float(np.mean(x)), *infos)
    for name in ("critics_loss", "labeler_real"):
        found, expected = (getattr(logged[every], name) for every in (3, 1))
        assert found == pytest.approx(expected, rel=0.1)


def test_a_noise_weight_makes_compact_critics_estimate_the_noise():
    """The loss grows by the weight times an error of about the noise's own square."""
    data = _data()
    batch = {
        "images": data["images"][:8].reshape(2, 4, 16, 16, 3),
        "labels": data["labels"][:8].reshape(2, 4, 2),
    }

    def first(weight):
        generator = GENERATORS["compact"]
        algorithm = causal_gan(generator, batch_size=4, noise_weight=weight)
        state = algorithm.init(jax.random.key(0))
        return algorithm.step(state, batch, jax.random.key(1))[1]

    none, one, two, three = map(first, (0.0, 1.0, 2.0, 3.0))
    assert float(none.noise_error) == 0.0
    assert 0.2 < float(one.noise_error) < 0.6  # of uniform noise in [-1, 1]: a third
    error = float(two.generator_loss - one.generator_loss)
    assert 0.2 < error < 0.6
    assert float(three.generator_loss - two.generator_loss) == pytest.approx(
        error, rel=1e-3
    )


def test_a_share_of_what_critics_see_is_augmented(monkeypatch):
    """None of it is as without; of all of it another loss is read."""
    augmented = []

    def counted(images, *arguments):
        augmented.append(images.shape)
        return augment(images, *arguments)

    monkeypatch.setattr("causal_jax.training.augmentation.augment", counted)

    def first_loss(**settings):
        algorithm = causal_gan(GENERATORS["compact"], batch_size=4, **settings)
        augmented.clear()
        data = _data()
        batch = {
            "images": data["images"][:8].reshape(2, 4, 16, 16, 3),
            "labels": data["labels"][:8].reshape(2, 4, 2),
        }
        state = algorithm.init(jax.random.key(0))
        _, info = algorithm.step(state, batch, jax.random.key(1))
        return info.critics_loss

    plain = first_loss()
    assert not augmented
    cut = {"augmentation": ("cutout",)}
    np.testing.assert_allclose(first_loss(**cut, augmented_share=0.0), plain, rtol=1e-5)
    assert abs(first_loss(**cut, augmented_share=1.0) - plain) > 1e-3
    # Real and generated images, as critics learn, and what the generator is judged by.
    assert augmented == [(4, 16, 16, 3)] * 3


def _first_info(**settings):
    """What is logged of a first step."""
    algorithm = causal_gan(GENERATORS["compact"], batch_size=4, **settings)
    data = _data()
    batch = {
        "images": data["images"][:8].reshape(2, 4, 16, 16, 3),
        "labels": data["labels"][:8].reshape(2, 4, 2),
    }
    state = algorithm.init(jax.random.key(0))
    return algorithm.step(state, batch, jax.random.key(1))[1]


@pytest.mark.parametrize("label_loss", ["theory", "flipped"])
def test_factors_of_labels_weigh_their_cross_entropies_alone(label_loss):
    """The losses are linear in them; what is logged of labels has none of them."""
    plain = {"label_loss": label_loss, "anti_labeler_weight": 0.5, "label_weight": 2.0}
    found = {
        factors: _first_info(**plain, label_factors=factors)
        for factors in (None, (1, 1), (3, 3), (3, 1), (1, 3))
    }
    losses = {factors: info.generator_loss for factors, info in found.items()}
    np.testing.assert_allclose(losses[1, 1], losses[None], rtol=1e-6)
    heavy = _first_info(**{**plain, "label_weight": 6.0}).generator_loss
    np.testing.assert_allclose(losses[3, 3], heavy, rtol=1e-6)
    first, second = (losses[f] - losses[None] for f in ((3, 1), (1, 3)))
    np.testing.assert_allclose(first + second, heavy - losses[None], rtol=1e-3)
    assert abs(first) > 1e-3 and abs(second) > 1e-3
    for info in found.values():
        np.testing.assert_allclose(info.labeler_fake, found[None].labeler_fake)
        np.testing.assert_allclose(info.critics_loss, found[None].critics_loss)


def test_rates_fall_with_steps_whatever_updates_there_are_in_one(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "causal_jax.training.causal_gan.late_decay",
        lambda rate, num: seen.append(num) or rate,
    )
    settings = {"num_generator_steps": 2, "critics_every": 3}
    causal_gan(GENERATORS["compact"], batch_size=4, num_steps=13, **settings)
    causal_gan(GENERATORS["compact"], batch_size=4, **settings)
    assert seen == [26, 5, None, None]


def test_the_labeler_keeps_the_statistics_of_real_images():
    """Those of the critics' second pass, of generated ones, are the others'."""
    found = {}
    for name, value in (("real", 1.0), ("both", 2.0)):
        stats = {"Discriminator_0": value, LABELER: value, "Labeler_1": value}
        found[name] = {"params": 0, "batch_stats": stats}
    kept = with_labeler_of(found["both"], found["real"])
    assert kept["batch_stats"] == {**found["both"]["batch_stats"], LABELER: 1.0}
    assert with_labeler_of({"params": 0}, {"params": 1}) == {"params": 0}
    critics = GENERATORS["dcgan"].critics()
    shapes = jax.eval_shape(
        lambda: critics.init(jax.random.key(0), jnp.zeros((2, 16, 16, 3)), False)
    )
    assert LABELER in shapes["batch_stats"]  # and it is the first: Anti- is the second


def test_factors_of_other_labels_are_refused():
    with pytest.raises(ValueError, match="3 label_factors for 2 labels"):
        causal_gan(GENERATORS["compact"], label_factors=(1, 2, 3))


def test_unknown_augmentation_is_refused():
    with pytest.raises(ValueError, match="not 'rotation'"):
        causal_gan(GENERATORS["compact"], augmentation=("rotation",))
    with pytest.raises(ValueError, match="between 0 and 1, not 3"):
        causal_gan(GENERATORS["compact"], augmented_share=3)


def test_unknown_label_loss_is_refused():
    with pytest.raises(ValueError, match="'theory' or 'flipped'"):
        causal_gan(GENERATORS["compact"], label_loss="mean")


def test_weighted_draw_follows_the_weights():
    cumulated = jnp.asarray(np.cumsum([0.7, 0.0, 0.3]), jnp.float32)
    data = {"rows": jnp.arange(3), "cumulated": cumulated}
    draw = jax.pmap(
        lambda key: parallel.draw(data, key, (20_000,))["rows"],
        axis_name="device",
        devices=jax.devices()[:1],
    )
    rows = np.asarray(draw(jax.random.key(0)[None]))[0]
    share = np.bincount(rows, minlength=3) / 20_000
    assert share[1] == 0
    assert abs(share[0] - 0.7) < 5 * np.sqrt(0.7 * 0.3 / 20_000)


PROGRAM = textwrap.dedent(
    """
    import json
    import jax, numpy as np, optax
    optax.adam = lambda rate, *betas: optax.sgd(rate)
    from causal_jax.networks.image import ImageGenerator
    from causal_jax.training import parallel
    from causal_jax.training.causal_gan import causal_gan

    generator = ImageGenerator((2, 3), resolution=16, width=4, noise_size=5,
                               modulated=True)
    random = np.random.default_rng(0)
    data = {"images": random.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8),
            "labels": np.stack([random.integers(0, k, 40) for k in (2, 3)], -1)}
    algorithm = causal_gan(
        generator, batch_size=8, learning_rate=.05, critic_learning_rate=.05, flip=True,
        unseen=np.array([[0, 1, 1, 2]]), unseen_every=2,
        augmentation=("colour", "translation", "cutout"))

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
                      "moved": gap(start.generator, one[0].generator)}))
    """
)


def test_four_devices_equal_one(run_on_devices):
    result = run_on_devices(PROGRAM, 4)
    assert result["devices"] == 4
    assert result["moved"] > 1e-3
    assert result["gap"] < 1e-4
