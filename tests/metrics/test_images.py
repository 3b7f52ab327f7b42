"""Measures of images, held to the true renderer and to renderers with a fault."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.data import faces
from causal_jax.metrics import images
from causal_jax.queries import draws
from causal_jax.recipes.labels_images.faces_judge import load_faces_judge
from causal_jax.recipes.labels_images.measures import UNSEEN

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
        scm, params, judge, jax.random.key(3), combinations=UNSEEN, num=2 * NUM
    )
    # a woman without mustache and with hair: one of two labels is right
    assert unseen.mean == pytest.approx(0.5, abs=0.1)


def test_combinations_never_seen_are_read(true, judge):
    result = images.combination_accuracy(
        *true, judge, jax.random.key(4), combinations=UNSEEN, num=2 * NUM
    )
    assert set(result.table) == {"Male=0, Mustache=1", "Male=0, Bald=1"}
    assert set(result.table["Male=0, Bald=1"]) == {"Male", "Bald"}
    assert result.mean >= 0.97
    assert 0.0 <= result.standard_error < 0.01
    for text, share in result.together.items():  # both, so no more than either
        assert 0.9 <= share <= min(result.table[text].values())


def test_the_judges_own_share_weighs_combinations_alike(judge):
    """Of a constant reader all of one combination is right, and none of the others."""
    labels = np.zeros((200, 9), int)
    labels[:100, faces.LABELS.index("Male")] = 1
    labels[:40, faces.LABELS.index("Mustache")] = 1
    labels[199, faces.LABELS.index("Mustache")] = 1  # too few to be counted

    class Constant:
        label_names = judge.label_names

        def labels(self, pictures):
            return np.zeros((len(pictures), 9))

    pictures, names = np.zeros((200, 1)), ("Male", "Mustache")
    found = images.read_together(Constant(), pictures, labels, names)
    assert found == pytest.approx(1 / 3)
    assert images.read_together(Constant(), pictures[:9], labels[:9], names) is None


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
    assert truth.same_labels is None
    poor = images.frechet(
        *model_with(Uniform()), judge, jax.random.key(7), real=real, num=2000
    )
    assert poor.frechet > 5 * poor.floor
    # A mean over many halves: another order of the same pictures changes it little,
    # where one pair of halves would move it by a tenth.
    again = images.frechet(*true, judge, jax.random.key(8), real=real)
    assert again.floor == pytest.approx(truth.floor, rel=0.05)
    assert images.frechet(*true, judge, jax.random.key(7), real=real[:3]) is None


def test_frechet_of_the_same_labels_leaves_out_an_error_of_their_law(true, judge):
    """Real pictures of men alone: the true model's differ, of the same labels not."""
    scm, params = true
    labels, pictures = {name: [] for name in draws.judged_labels(scm, judge)}, []
    drawn = draws.draw(*true, jax.random.key(6), num=2 * draws.CHUNK, do={"Male": 1})
    for values, part in drawn:
        pictures.append(part)
        for name in labels:
            labels[name].append(values[name])
    real = np.concatenate(pictures)
    labels = {name: np.concatenate(parts) for name, parts in labels.items()}
    found = images.frechet(*true, judge, jax.random.key(7), real=real, labels=labels)
    assert found.same_labels < 2.5 * found.floor < 0.3 * found.frechet


def test_labels_that_the_judge_does_not_read_are_named(true, judge):
    with pytest.raises(ValueError, match="did you mean 'Smiling'"):
        images.combination_accuracy(
            *true, judge, jax.random.key(0), combinations=[{"Smilling": 1}], num=4
        )
    other = dataclasses.replace(judge, label_names=("a",) * 9)
    with pytest.raises(ValueError, match="no binary label"):
        images.label_accuracy(*true, other, jax.random.key(0))
