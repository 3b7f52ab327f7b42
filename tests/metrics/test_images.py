"""Measures of images, held to the true renderer and to renderers with a fault."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.data import faces
from causal_jax.mechanism import AdditiveNoise, categorical
from causal_jax.metrics import images
from causal_jax.queries import draws
from causal_jax.recipes.labels_images.faces_judge import load_faces_judge
from causal_jax.scm import SCM

NUM = 128  # half of a chunk: both states of a label are one compiled draw


@dataclasses.dataclass(frozen=True)
class Blind(faces.Renderer):
    """Ignores its labels: always the same man."""

    def apply(self, params, parents, noise):
        fixed = tuple(jnp.zeros_like(p) for p in parents)
        return super().apply(params, fixed, noise)


@dataclasses.dataclass(frozen=True)
class Uniform(faces.Renderer):
    """Obeys its labels but always draws the same person."""

    def apply(self, params, parents, noise):
        return super().apply(params, parents, 0.5 + 0.05 * (noise - 0.5))


@dataclasses.dataclass(frozen=True)
class IsBright:
    """A label below the image, as an annotator's is."""

    num_states = 2

    def init(self, key, parents):
        return {}

    def noise(self, key, num):
        return jnp.zeros((num, 0))

    def apply(self, params, parents, noise):
        return (parents[0].mean() > 0).astype(jnp.int32)


@pytest.fixture(scope="module")
def judge():
    return load_faces_judge()


@pytest.fixture(scope="module")
def true():
    return faces.scm(32)


def model_with(renderer):
    labels, params = faces.label_scm()
    scm = labels.extend("image", parents=faces.LABELS, mechanism=renderer)
    return scm, {**params, "image": {}}


def test_draws_equal_the_sample_of_the_whole_model(true):
    scm, params = true
    key, do = jax.random.key(0), {"Bald": 1, "Male": "0"}
    whole = scm.sample(params, key, num=8, do=do)
    labels = draws.draw_labels(scm, params, key, num=8, do=do)
    assert list(labels) == list(faces.LABELS)
    for name, value in labels.items():
        np.testing.assert_array_equal(value, whole[name])
    image = draws.with_labels(scm, params, key, labels)
    np.testing.assert_allclose(image, whole["image"], atol=1e-5)


def test_draws_come_in_chunks_of_one_shape_and_in_full(true, monkeypatch):
    monkeypatch.setattr(draws, "CHUNK", 8)
    parts = list(draws.draw(*true, jax.random.key(1), num=20, given={"Male": 1}))
    assert [len(image) for _, image in parts] == [8, 8, 4]
    assert all((labels["Male"] == 1).all() for labels, _ in parts)
    together = np.concatenate([np.asarray(image) for _, image in parts])
    assert len(np.unique(together.reshape(20, -1), axis=0)) == 20
    as_bytes = draws.draw_images(*true, jax.random.key(1), num=20, given={"Male": 1})
    assert as_bytes.dtype == np.uint8
    np.testing.assert_allclose(as_bytes, (together + 1) * 127.5, atol=0.51)


def test_label_model_keeps_what_labels_depend_on_and_nothing_else(true):
    model, params = draws.label_model(*true)
    assert model.nodes == faces.LABELS
    assert model.parents == {n: p for n, p in true[0].parents.items() if n != "image"}
    assert set(params) == set(faces.LABELS)


def test_an_image_above_its_label_is_drawn_with_it():
    noise = AdditiveNoise(mean_fn=lambda params: 0.0, shape=(2, 2, 3))
    scm = SCM("image -> bright", {"image": noise, "bright": IsBright()})
    params = scm.init(jax.random.key(0))
    settings = {"num": 10, "given": {"bright": 1}}
    ((labels, image),) = draws.draw(scm, params, jax.random.key(1), **settings)
    assert (labels["bright"] == 1).all()
    assert (image.mean((1, 2, 3)) > 0).all()


def test_the_true_renderer_obeys_its_labels(true, judge):
    result = images.label_accuracy(*true, judge, jax.random.key(2), num_per_state=NUM)
    assert tuple(result.by_label) == faces.LABELS
    assert result.min >= 0.97
    assert result.mean >= 0.99
    assert max(result.standard_errors.values()) < 0.02


def test_images_that_ignore_their_labels_score_a_half(judge):
    scm, params = model_with(Blind())
    result = images.label_accuracy(
        scm, params, judge, jax.random.key(3), num_per_state=NUM
    )
    assert result.mean == pytest.approx(0.5, abs=0.02)
    unseen = images.combination_accuracy(
        scm, params, judge, jax.random.key(3), num=2 * NUM
    )
    # a woman without mustache and with hair: one of two labels is right
    assert unseen.mean == pytest.approx(0.5, abs=0.1)


def test_combinations_never_seen_are_read(true, judge):
    result = images.combination_accuracy(*true, judge, jax.random.key(4), num=2 * NUM)
    assert set(result.table) == {"Male=0, Mustache=1", "Male=0, Bald=1"}
    assert set(result.table["Male=0, Bald=1"]) == {"Male", "Bald"}
    assert result.mean >= 0.97
    assert 0.0 <= result.standard_error < 0.01


def test_diversity_is_one_for_the_truth_and_low_without_it(true, judge):
    def of(model, seed):
        return images.diversity(
            *model, judge, jax.random.key(seed), truth=true, num_per_state=NUM
        )

    truth = of(true, 5)
    assert truth.diversity == pytest.approx(1.0, abs=1e-4)  # the same keys
    assert len(truth.table) == 18
    poor = of(model_with(Uniform()), 5)
    assert poor.diversity < 0.3
    assert max(poor.by_nuisance.values()) < 0.5


def test_diversity_needs_nuisances_and_a_truth(true, judge):
    key = jax.random.key(0)
    blind = dataclasses.replace(judge, nuisance_names=())
    assert images.diversity(*true, judge, key, truth=None) is None
    assert images.diversity(*true, blind, key, truth=true) is None


def test_frechet_of_the_truth_is_near_its_floor_and_of_a_fault_far(true, judge):
    real = draws.draw_images(*true, jax.random.key(6), num=2 * draws.CHUNK)
    truth = images.frechet(*true, judge, jax.random.key(7), real=real)
    assert truth.num == draws.CHUNK
    assert 0.0 < truth.frechet < 2.5 * truth.floor
    poor = images.frechet(
        *model_with(Uniform()), judge, jax.random.key(7), real=real, num=2000
    )
    assert poor.frechet > 5 * poor.floor
    with pytest.raises(ValueError, match="too few"):
        images.frechet(*true, judge, jax.random.key(7), real=real[:3])


def test_do_and_see_differ_in_the_images_as_in_the_truth(true, judge):
    result = images.do_versus_see(
        *true, judge, jax.random.key(8), num=4 * NUM, truth=true
    )
    assert result.true_do == pytest.approx(0.42, abs=1e-6)
    assert result.true_given == pytest.approx(1.0, abs=1e-6)
    error = np.sqrt(0.42 * 0.58 / (4 * NUM))
    assert abs(result.do.value - result.true_do) <= 5 * error
    assert result.do.standard_error == pytest.approx(error, rel=0.2)
    assert result.given.value >= 0.98


def test_a_cause_that_never_occurs_gives_no_see(true, judge):
    scm, params = true
    never, table = categorical((1.0, 0.0))
    del never
    rows = jnp.broadcast_to(table["probs"], (2, 2, 2))
    params = {**params, "Mustache": {"probs": rows}}
    result = images.do_versus_see(
        scm, params, judge, jax.random.key(9), num=NUM, max_draws=5000
    )
    assert result.given is None
    assert result.true_do is None
    assert abs(result.do.value - 0.42) <= 5 * np.sqrt(0.42 * 0.58 / NUM)


def test_labels_that_the_judge_does_not_read_are_named(true, judge):
    with pytest.raises(ValueError, match="did you mean 'Smiling'"):
        images.combination_accuracy(
            *true, judge, jax.random.key(0), combinations=[{"Smilling": 1}], num=4
        )
    other = dataclasses.replace(judge, label_names=("a",) * 9)
    with pytest.raises(ValueError, match="no binary label"):
        images.label_accuracy(*true, other, jax.random.key(0))


def test_copies_are_found_and_new_pictures_are_not():
    rng = np.random.default_rng(0)
    training = rng.integers(0, 256, (3000, 8, 8, 3), np.uint8)  # two chunks
    held_out = rng.integers(0, 256, (20, 8, 8, 3), np.uint8)
    copies = training[[5, 2999, 17]].copy()
    found = images.nearest_neighbours(copies, training, held_out)
    assert found.indices.tolist() == [5, 2999, 17]
    assert found.median == 0.0
    assert found.real_median > 100.0
    brute = np.sqrt(
        ((held_out[:, None].astype(float) - training[None]) ** 2).sum((2, 3, 4))
    )
    np.testing.assert_allclose(found.real_distances, brute.min(1))
    np.testing.assert_array_equal(found.real_indices, brute.argmin(1))


def test_mirrored_copies_are_found_when_asked():
    rng = np.random.default_rng(1)
    training = rng.integers(0, 256, (50, 8, 8, 3), np.uint8)
    mirrored = training[[7, 8], :, ::-1]
    assert images.nearest_neighbours(mirrored, training).median > 100.0
    found = images.nearest_neighbours(mirrored, training, mirror=True)
    assert found.indices.tolist() == [7, 8]
    assert found.median == 0.0
    with pytest.raises(ValueError, match="uint8"):
        images.nearest_neighbours(mirrored / 255.0, training)
    with pytest.raises(ValueError, match="one size"):
        images.nearest_neighbours(mirrored[:, :4], training)
