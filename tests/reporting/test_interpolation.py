"""Between the states of a label: the ends are interventions, and no step is between."""

import jax
import numpy as np
import pytest

from causal_jax import graph as graphs
from causal_jax.data import faces
from causal_jax.networks.controller import controller
from causal_jax.networks.image import ImageGenerator
from causal_jax.reporting import interpolation
from causal_jax.reporting.grids import to_uint8

NUM = 3
KEY = jax.random.key(1)
STATES = {"Male": "01", "Mustache": "01", "Hair": ("grey", "red", "black")}


@pytest.fixture(scope="module")
def model():
    """Male -> Mustache, and hair of three colours; an image of 8 pixels below them."""
    graph = graphs.build(
        [("Male", "Mustache")], nodes=("Male", "Mustache", "Hair", "Age"),
        states={**STATES, "Age": "01"},
    )  # fmt: skip
    labels = controller(graph, hidden=(8,))
    image = ImageGenerator((2, 2, 3), resolution=8, width=8, noise_size=4)
    scm = labels.extend("image", parents=list(STATES), mechanism=image)
    params = scm.init(jax.random.key(0))
    # Fresh weights draw images of one grey; these differ in every level.
    image_params = jax.tree.map(lambda leaf: 8 * leaf, params["image"]["params"])
    mustache = jax.tree.map(lambda leaf: 6 * leaf, params["Mustache"])
    image_params = {**params["image"], "params": image_params}
    return scm, {**params, "image": image_params, "Mustache": mustache}


@pytest.fixture
def composed(monkeypatch):
    """What the sheets hand to `compose`: cells and settings."""
    calls = []
    compose = interpolation.compose

    def spy(cells, **settings):
        calls.append((cells, settings))
        return compose(cells, **settings)

    monkeypatch.setattr(interpolation, "compose", spy)
    return calls


def assert_images(cells, expected):
    """To one level: the images come out of two XLA programs."""
    difference = np.abs(np.stack(cells).astype(int) - to_uint8(expected))
    assert difference.max() <= 1


def test_codes_between_states_are_mixed_of_the_two_neighbours():
    for position in np.linspace(0, 1, 9):
        np.testing.assert_allclose(interpolation.code_between(2, position), [position])
        code = interpolation.code_between(3, position)
        assert code.shape == (3,) and code.sum() == pytest.approx(1)
        assert code @ np.arange(3) == pytest.approx(2 * position)
    for state in range(3):
        found = interpolation.code_between(3, state / 2)
        np.testing.assert_allclose(found, np.eye(3)[state])


def test_rows_end_at_interventions_and_all_between_differ(model, composed):
    scm, params = model
    interpolation.interpolation_sheet(scm, params, KEY, "Male", NUM)
    ((cells, settings),) = composed
    assert len(cells) == 2 * NUM and {len(row) for row in cells} == {8}
    drawn = scm.sample(params, KEY, num=NUM)
    others = {name: drawn[name] for name in ("Mustache", "Hair", "Age")}
    for column, state in ((0, 0), (7, 1)):
        held = scm.sample(params, KEY, num=NUM, do={**others, "Male": state})
        assert_images([row[column] for row in cells[:NUM]], held["image"])
        done = scm.sample(params, KEY, num=NUM, do={"Male": state})
        assert_images([row[column] for row in cells[NUM:]], done["image"])
    for row in cells[:NUM]:
        assert len({image.tobytes() for image in row}) == 8, "no step function"
    assert settings["column_labels"][:2] == ["Male=0", "Male=0.14"]
    assert all("Male" not in text for text in settings["row_labels"])


def test_what_follows_is_said_where_it_changes(model, composed):
    scm, params = model
    interpolation.interpolation_sheet(scm, params, KEY, "Male", 8)
    ((_, settings),) = composed
    drawn, *done = (
        scm.sample(params, KEY, num=8, do=do)["Mustache"]
        for do in ({}, {"Male": 0}, {"Male": 1})
    )
    assert (done[0] != done[1]).any()
    for i, row in enumerate(settings["captions"][8:]):
        for column, before, after in ((0, drawn, done[0]), (4, *done)):
            signs = {0: "", 1: "+Mustache", -1: "-Mustache"}
            assert row[column] == signs[int(after[i]) - int(before[i])]
        assert not any(row[1:4]) and not any(row[5:])


def test_a_label_without_descendants_has_one_block_and_passes_all_its_states(
    model, composed
):
    scm, params = model
    interpolation.interpolation_sheet(scm, params, KEY, "Hair", NUM, steps=5)
    ((cells, settings),) = composed
    assert len(cells) == NUM
    for column, state in ((0, "grey"), (2, "red"), (4, "black")):
        done = scm.sample(params, KEY, num=NUM, do={"Hair": state})
        assert_images([row[column] for row in cells], done["image"])
        assert settings["column_labels"][column] == f"Hair={state}"
    assert settings["column_labels"][1] == "Hair=0.50 grey + 0.50 red"


def test_the_corners_of_a_grid_are_two_interventions_at_once(model, composed):
    scm, params = model
    nodes = ("Hair", "Male")
    interpolation.two_labels_sheet(scm, params, KEY, nodes, NUM, steps=3)
    ((cells, settings),) = composed
    assert settings["row_labels"] == ["Hair=grey", "Hair=red", "Hair=black"]
    for row, column in ((0, 0), (0, 2), (1, 2), (2, 0), (2, 2)):
        do = {"Hair": row, "Male": column // 2}
        units = unfolded(cells[row][column])
        assert_images(units[:NUM], scm.sample(params, KEY, num=NUM, do=do)["image"])
        assert (units[NUM] == 255).all(), "three units leave one place of four empty"


def test_states_are_interventions_of_any_model_with_an_image(model, composed):
    scm, params = model
    interpolation.two_states_sheet(scm, params, KEY, ("Hair", "Age"), NUM)
    ((cells, settings),) = composed
    assert settings["row_labels"] == ["Hair=grey", "Hair=red", "Hair=black"]
    assert settings["column_labels"] == ["0", "1"]
    for row, column in ((0, 1), (2, 0)):
        done = scm.sample(params, KEY, num=NUM, do={"Hair": row, "Age": column})
        assert_images(unfolded(cells[row][column])[:NUM], done["image"])


def unfolded(mosaic):
    """Four images of 8 pixels with a white line between them."""
    assert mosaic.shape == (17, 17, 3)
    assert (mosaic[8] == 255).all() and (mosaic[:, 8] == 255).all()
    return [mosaic[i : i + 8, j : j + 8] for i in (0, 9) for j in (0, 9)]


def test_questions_without_codes_are_one_line(model):
    one, two = interpolation.interpolation_sheet, interpolation.two_labels_sheet
    states = interpolation.two_states_sheet
    cases = [
        (one, faces.scm(), "Male", "'image' reads states"),
        (one, model, "Age", "'image' does not read 'Age': .* there are Male"),
        (one, model, "Mustach", "did you mean 'Mustache'"),
        (two, model, ("Male", "Male"), "two different labels"),
        (two, model, ("Male", "Mail"), "did you mean 'Male'"),
        (two, model, ("Male", "image"), "does not read 'image'"),
        (states, model, ("Male", "image"), "'image' has no states"),
        (states, model, ("Male", "Male"), "two different labels"),
    ]
    for draw_fn, pair, asked, message in cases:
        with pytest.raises(ValueError, match=message) as raised:
            draw_fn(*pair, KEY, asked, NUM)
        assert "\n" not in str(raised.value)
