"""`causal_jax.plot`: what a notebook shows is what the model and its draws say."""

import jax
import numpy as np
import pytest
from PIL import Image

import causal_jax
from causal_jax import SCM, Randomize, Replace, Shift, Tabular, graph, plot
from causal_jax.data import faces
from causal_jax.reporting import plots

KEY = jax.random.key(0)
SPRINKLER = "Rain -> Sprinkler ; Rain, Sprinkler -> Wet"


@pytest.fixture(scope="module")
def drawn():
    scm, params = faces.scm(size=32)
    return scm, scm.twins(params, KEY, num=3, do={"Smiling": 1})


def arguments_of(monkeypatch):
    """What `graph_figure` is asked for."""
    seen = {}
    monkeypatch.setattr(plots, "graph_figure", lambda dag, **found: seen.update(found))
    return seen


def test_plot_is_reached_from_the_package():
    assert causal_jax.plot is plot and "plot" in causal_jax.__all__
    assert {"graph", "images", "samples", "twins", "bars"} == set(plot.__all__)


def test_every_picture_can_be_shown_and_saved(drawn, tmp_path):
    scm, (before, after) = drawn
    pictures = {
        "graph": plot.graph(scm, do={"Smiling": 1}, title="do(Smiling = 1)"),
        "images": plot.images(before["image"]),
        "samples": plot.samples(scm, before, num=2),
        "twins": plot.twins(scm, before, after),
        "bars": plot.bars(scm, {"seen": before, "do(Smiling = 1)": after}),
    }
    for name, picture in pictures.items():
        assert isinstance(picture, Image.Image) and picture._repr_png_()
        assert np.asarray(picture).std() > 1.0, name
        picture.save(tmp_path / f"{name}.png")


def test_edges_into_done_nodes_are_cut_where_they_no_longer_listen(monkeypatch):
    seen = arguments_of(monkeypatch)
    do = {"Rain": 1, "Sprinkler": lambda value, parents: value, "Wet": Shift(1.0)}
    plot.graph(SPRINKLER, do=do)
    assert seen["done"] == ["Rain", "Sprinkler", "Wet"] and seen["cut"] == ["Rain"]
    plot.graph(SPRINKLER, do={"Wet": Replace(Tabular(2, (2, 2)), {})})
    assert seen["cut"] == [], "another mechanism has the same parents"
    plot.graph(SPRINKLER, do={"Wet": Randomize([0.5, 0.5])})
    assert seen["cut"] == ["Wet"]
    plot.graph(SPRINKLER, do=["Sprinkler"])
    assert seen["cut"] == ["Sprinkler"]


@pytest.mark.parametrize("name", ["layers", "circle"])
def test_doing_changes_the_picture_and_keeps_its_places(name):
    dag = (
        SPRINKLER if name == "layers" else graph.complete([f"n{i}" for i in range(13)])
    )
    node = "Wet" if name == "layers" else "n12"
    see, do = (np.asarray(plot.graph(dag, do=done)) for done in ((), [node]))
    assert see.shape == do.shape
    changed = (see != do).any(axis=-1)
    assert 0 < changed.mean() < 0.5


def test_unknown_nodes_are_refused_by_name():
    with pytest.raises(ValueError, match="did you mean 'Wet'"):
        plot.graph(SPRINKLER, do=["wet"])


def test_images_have_the_pixels_of_the_values():
    values = np.linspace(-1, 1, 2 * 4 * 4 * 1).reshape(2, 4, 4, 1)
    picture = np.asarray(plot.images(values, scale=1))
    expected = np.round((values[0, ..., 0] + 1) * 127.5)
    np.testing.assert_array_equal(picture[8:12, 8:12, 0], expected)
    assert (picture[..., 0] == picture[..., 1]).all(), "one channel is grey"
    with pytest.raises(ValueError, match="give \\[N, H, W, 3\\]"):
        plot.images(np.zeros((2, 4, 4, 2)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((2, 4, 4, 3), 30), "uint8, or floats in .-1, 1., not int64"),
        (np.zeros((2, 4, 4, 3), bool), "not bool"),
        (np.full((2, 4, 4, 3), 200.0), "and these from 200 to 200: scale them"),
    ],
)
def test_images_that_would_be_shown_as_others_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        plot.images(values)


def test_twins_stand_below_each_other(drawn):
    scm, (before, after) = drawn
    same = np.asarray(plot.twins(scm, before, before, row_labels=("a", "b")))
    other = np.asarray(plot.twins(scm, before, after, row_labels=("a", "b")))
    assert same.shape[1] == other.shape[1]
    np.testing.assert_array_equal(same[:100], other[:100])
    assert (same[-100:] != other[-100:]).any()


def test_values_without_the_image_are_refused(drawn):
    scm, (before, after) = drawn
    labels = {name: before[name] for name in scm.discrete}
    with pytest.raises(ValueError, match="the values have no 'image'"):
        plot.samples(scm, labels)
    with pytest.raises(ValueError, match="unknown image node 'face'"):
        plot.twins(scm, before, after, image="face")


def bars_of(monkeypatch, *arguments, **options):
    found = {}
    monkeypatch.setattr(plots, "bars_figure", lambda s, title: found.update(s))
    plot.bars(*arguments, **options)
    return found


def test_bars_are_the_frequencies_of_the_states(monkeypatch):
    dag = graph.build(
        [], nodes=["A", "B", "C"], states={"B": ("no", "yes"), "C": ("x", "y", "z")}
    )
    scm = SCM(dag, {"A": Tabular(2), "B": Tabular(2), "C": Tabular(3)})
    values = {"A": [0, 1, 1, 1], "B": [1, 0, 0, 0], "C": [0, 0, 2, 2]}
    found = bars_of(monkeypatch, scm, {"seen": values})
    assert found["seen"] == {
        "A": 0.75, "B=yes": 0.25, "C=x": 0.5, "C=y": 0.0, "C=z": 0.5
    }  # fmt: skip
    assert bars_of(monkeypatch, scm, {"s": values}, nodes=["B"])["s"] == {"B=yes": 0.25}


def test_bars_of_what_has_none_are_refused(drawn):
    scm, (before, _) = drawn
    with pytest.raises(ValueError, match="'image' has no states"):
        plot.bars(scm, {"seen": before}, nodes=["image"])
    with pytest.raises(ValueError, match="the sample 'seen' has no 'Young'"):
        plot.bars(scm, {"seen": {}})
    with pytest.raises(ValueError, match="7 series"):
        plot.bars(scm, dict.fromkeys("abcdefg", before))


@pytest.mark.parametrize("values", [[0, 1, 7], [], [-1], [0.5], ["0", "1"]])
def test_bars_of_what_are_no_state_indices_are_refused(values):
    scm = SCM(graph.build([], nodes=["Rain"]), {"Rain": Tabular(2)})
    with pytest.raises(ValueError, match="integers of 0 to 1, at least one"):
        plot.bars(scm, {"seen": {"Rain": np.array(values)}})


def test_pictures_of_one_unit_are_refused(drawn):
    scm, twins = drawn
    before, after = ({name: x[0] for name, x in values.items()} for values in twins)
    for show in (
        lambda: plot.samples(scm, before),
        lambda: plot.twins(scm, before, after),
    ):
        with pytest.raises(ValueError, match="'image' is of one unit"):
            show()
