"""Masks of real pictures are found once; a judge of them reads generated ones."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.metrics.shares import Share
from causal_jax.recipes.imagenet import silhouettes
from causal_jax.recipes.imagenet.judge import Rows


class RedIsAnObject:
    """A saliency network that finds what is red."""

    num_classes = 2

    def __init__(self):
        self.calls = 0

    def saliency(self, params, images):
        self.calls += 1  # when it is traced
        return params["gain"] * (images[..., :1] + 1) / 2


def rows(num, seed):
    images = np.random.default_rng(seed).integers(0, 256, (num, 4, 4, 3), np.uint8)
    return Rows(images=images, labels=np.arange(num) % 2)


@pytest.fixture
def taught(monkeypatch):
    """What the judge is shown; it reads class 1 where a mask is mostly object."""
    shown = []

    def trained(config, folder, training, held_out, *, num_classes):
        shown.append((training, held_out, num_classes))

        def logits(images):
            is_object = images.mean((1, 2, 3)) > 127
            return np.stack([~is_object, is_object], axis=1).astype(float)

        return SimpleNamespace(logits=logits, accuracy=Share(0.5, 0.1))

    monkeypatch.setattr(silhouettes.judge, "trained", trained)
    return shown


def test_real_masks_are_found_once_and_generated_ones_read(taught, tmp_path):
    mechanism, real = RedIsAnObject(), (rows(60, 0), rows(7, 1))
    scm = SimpleNamespace(mechanisms={"shape": mechanism})
    params = {"shape": {"gain": jnp.float32(0.5)}}
    masks = np.stack([np.full((4, 4, 1), value) for value in (0.0, 0.9, 1.0, 0.2)])
    for _ in range(2):
        found = silhouettes.read(
            SimpleNamespace(judge_steps=1000),
            tmp_path / "judge",
            (scm, params),
            real,
            masks,
            np.array([0, 1, 0, 0]),
        )
        assert found.read.value == 0.75 and found.held_out.value == 0.5
    assert mechanism.calls == 2  # of the training and of the held-out pictures
    for training, held_out, num_classes in taught:
        assert num_classes == 2
        for masked, source in zip((training, held_out), real, strict=True):
            np.testing.assert_array_equal(masked.labels, source.labels)
            expected = np.repeat(source.images[..., :1] / 2, 3, axis=-1)
            np.testing.assert_allclose(masked.images, expected, atol=0.51)


def test_masks_of_other_pictures_are_refused(taught, tmp_path):
    scm = SimpleNamespace(mechanisms={"shape": RedIsAnObject()})
    model = scm, {"shape": {"gain": jnp.float32(1)}}
    rest = np.ones((1, 4, 4, 1)), np.array([1])
    settings = SimpleNamespace(judge_steps=1000)
    silhouettes.read(settings, tmp_path, model, (rows(9, 0), rows(3, 1)), *rest)
    with pytest.raises(ValueError, match="has the masks of other pictures"):
        silhouettes.read(settings, tmp_path, model, (rows(8, 0), rows(3, 1)), *rest)


def test_a_quicktest_looks_at_a_few_pictures(taught, tmp_path):
    scm = SimpleNamespace(mechanisms={"shape": RedIsAnObject()})
    real, masks = (rows(60, 0), rows(30, 1)), np.ones((1, 4, 4, 1))
    settings = SimpleNamespace(judge_steps=2)
    model = scm, {"shape": {"gain": jnp.float32(1)}}
    silhouettes.read(settings, tmp_path, model, real, masks, np.array([1]))
    ((training, held_out, _),) = taught
    assert len(training.images) == len(held_out.images) == len(held_out.labels) == 10
