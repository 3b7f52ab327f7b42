"""Images drawn below labels that were drawn before: the draws of the whole model."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.additive_noise import AdditiveNoise
from causal_jax.data import faces
from causal_jax.interventions import Randomize
from causal_jax.queries import draws
from causal_jax.scm import SCM


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
def true():
    return faces.scm(32)


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


def test_labels_under_any_set_of_interventions_are_one_program(count_compilations):
    scm, params = faces.label_scm()
    key = jax.random.key(2)
    states = np.arange(6) % 2
    every = ({"Male": states}, {}, {"Bald": 1, "Young": "0"}, {"Smiling": "1"})
    expected = [scm.sample(params, key, num=6, do=do) for do in every]
    for value in (1, states):  # one for all units, and one for each
        draws.draw_labels(scm, params, key, num=6, do={"Mustache": value})
    for do, whole in zip(every, expected, strict=True):
        draw = functools.partial(draws.draw_labels, scm, params, key, num=6, do=do)
        assert count_compilations(draw) == 0
        for name, value in draw().items():
            np.testing.assert_array_equal(value, whole[name])
            assert value.dtype == whole[name].dtype
    with pytest.raises(ValueError, match="one value per unit"):
        draws.draw_labels(scm, params, key, num=6, do={"Male": states[:5]})
    with pytest.raises(ValueError, match="num"):
        draws.draw_labels(scm, params, key, num=0)
    with pytest.raises(ValueError, match="given"):
        draws.draw_labels(scm, params, key, num=6, given=[])


def test_other_interventions_on_labels_are_those_of_the_whole_model():
    scm, params = faces.label_scm()
    key = jax.random.key(3)
    odds = Randomize(jnp.array([0.2, 0.8]))
    for do in ({"Male": odds, "Bald": 1}, {"Young": lambda value, parents: 1 - value}):
        whole = scm.sample(params, key, num=6, do=do)
        labels = draws.draw_labels(scm, params, key, num=6, do=do)
        for name, value in labels.items():
            np.testing.assert_array_equal(value, whole[name])


def test_what_lies_above_labels_without_states_is_drawn_and_set_as_ever():
    noise = AdditiveNoise(mean_fn=lambda params: 0.0, shape=(2, 2, 3))
    scm = SCM("image -> bright", {"image": noise, "bright": IsBright()})
    params, key = scm.init(jax.random.key(0)), jax.random.key(4)
    for do in ({}, {"bright": 1}, {"image": jnp.full((2, 2, 3), 0.5)}):
        whole = scm.sample(params, key, num=5, do=do)
        labels = draws.draw_labels(scm, params, key, num=5, do=do)
        for name, value in labels.items():
            np.testing.assert_array_equal(value, whole[name])


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
