"""Sheets: the images are those of the model, and impossible conditions say so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import graph
from causal_jax.data import celeba_graphs, faces
from causal_jax.reporting import sheets
from causal_jax.reporting.grids import to_uint8
from causal_jax.scm import SCM
from causal_jax.tabular import categorical

NUM = 3


@pytest.fixture
def composed(monkeypatch):
    """What the sheets hand to `compose`: cells and settings."""
    calls = []
    compose = sheets.compose

    def spy(cells, **settings):
        calls.append((cells, settings))
        return compose(cells, **settings)

    monkeypatch.setattr(sheets, "compose", spy)
    return calls


@pytest.fixture(scope="module")
def true():
    return faces.scm(32)


def test_short_labels_name_what_is_set():
    labels, params = faces.label_scm()
    del params
    values = {name: np.zeros(2, int) for name in labels.nodes}
    values["Male"] = np.array([1, 0])
    values["Narrow_Eyes"] = np.array([1, 0])
    assert sheets.short_labels(labels, values) == ["Male, Narrow_Eyes", "-"]


def test_short_labels_give_the_states_of_categorical_nodes():
    dag = graph.build(
        [("Hair", "Hat")], states={"Hair": ("none", "grey", "red"), "Hat": ("0", "1")}
    )
    hair, hair_params = categorical([0.2, 0.3, 0.5])
    hat, hat_params = categorical(np.full((3, 2), 0.5))
    scm = SCM(dag, {"Hair": hair, "Hat": hat})
    values = scm.sample(
        {"Hair": hair_params, "Hat": hat_params},
        jax.random.key(0),
        num=1,
        do={"Hair": "red", "Hat": 1},
    )
    assert sheets.short_labels(scm, values) == ["Hair=red, Hat"]


def test_long_lists_of_labels_are_shortened():
    names = celeba_graphs.ATTRIBUTES
    dag = graph.complete(names[:12])
    mechanisms = {
        n: categorical(np.full((2,) * (i + 1), 0.5))[0] for i, n in enumerate(dag)
    }
    scm = SCM(dag, mechanisms)
    (text,) = sheets.short_labels(scm, {n: np.ones(1, int) for n in dag})
    assert text.endswith("(+3)")


def test_samples_sheet_shows_units_with_their_labels(true):
    page = sheets.samples_sheet(*true, jax.random.key(0), NUM, title="seen")
    assert page.size[0] > NUM * 128


def test_do_rows_are_twins_and_given_rows_meet_the_condition(true, composed):
    scm, params = true
    key = jax.random.key(1)
    sheets.do_versus_see_sheet(scm, params, key, "Mustache", NUM)
    ((cells, settings),) = composed
    assert settings["row_labels"] == [
        "do(Mustache=0)",
        "do(Mustache=1)",
        "given Mustache=0",
        "given Mustache=1",
    ]
    for state in (0, 1):
        image = scm.sample(params, key, num=NUM, do={"Mustache": state})["image"]
        close = np.abs(np.stack(cells[state]).astype(int) - to_uint8(image))
        assert close.max() <= 1
    assert all("Mustache" in text for text in settings["captions"][3])
    assert all("Mustache" not in text for text in settings["captions"][2])
    assert settings["messages"] == {}


def test_a_condition_never_met_gives_a_row_that_says_so(true, composed):
    scm, params = true
    never = jnp.broadcast_to(jnp.array([1.0, 0.0]), (2, 2, 2))
    params = {**params, "Bald": {"probs": never}}
    sheets.do_versus_see_sheet(scm, params, jax.random.key(2), "Bald", NUM)
    ((cells, settings),) = composed
    assert cells[3] == [None] * NUM
    assert settings["messages"] == {3: "impossible"}
    assert all(image is not None for row in cells[:3] for image in row)


def test_twins_are_those_of_the_model(true, composed):
    scm, params = true
    key, do = jax.random.key(3), {"Male": 0}
    sheets.twins_sheet(
        scm, params, key, [do, {"Smiling": lambda value, parents: 1 - value}], NUM
    )
    ((cells, settings),) = composed
    assert settings["row_labels"] == ["as drawn", "do(Male=0)", "do(Smiling changed)"]
    for row, values in zip(cells, scm.twins(params, key, num=NUM, do=do), strict=False):
        expected = to_uint8(values["image"]).astype(int)
        assert np.abs(np.stack(row) - expected).max() <= 1
    assert all("Smiling" in text for text in settings["captions"][2])


def test_diversity_is_a_square_of_the_keys_samples(true, monkeypatch):
    seen = []
    monkeypatch.setattr(sheets, "grid", lambda images, **kw: seen.append((images, kw)))
    for _ in range(2):
        sheets.diversity_sheet(*true, jax.random.key(4), 16)
    (images, settings), (again, _) = seen
    assert images.shape == (16, 32, 32, 3) and images.dtype == np.uint8
    assert settings["columns"] == 4
    np.testing.assert_array_equal(images, again)
    assert len(np.unique(images.reshape(16, -1), axis=0)) == 16


def test_models_without_images_or_states_are_refused(true):
    labels, params = faces.label_scm()
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="image node 'image'"):
        sheets.samples_sheet(labels, params, key, NUM)
    with pytest.raises(ValueError, match="did you mean 'Mustache'"):
        sheets.do_versus_see_sheet(*true, key, "Mustach", NUM)
    with pytest.raises(ValueError, match="no states"):
        sheets.do_versus_see_sheet(*true, key, "image", NUM)
