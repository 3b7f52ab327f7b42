import jax
import numpy as np
import pytest
from PIL import Image

import causal_jax
from causal_jax.cli import sheet
from causal_jax.networks.controller import controller
from causal_jax.networks.image import ImageGenerator
from causal_jax.reporting import sheets


@pytest.fixture
def loaded(monkeypatch):
    """A run that needs no training: three labels and an image of 8 pixels."""
    graph = causal_jax.graph.build(
        [("Male", "Mustache")],
        nodes=("Male", "Mustache", "Wears a hat/cap"),
        states=dict.fromkeys(("Male", "Mustache", "Wears a hat/cap"), "01"),
    )
    labels = controller(graph, hidden=(4,))
    image = ImageGenerator((2, 2, 2), resolution=8, width=4, noise_size=4)
    scm = labels.extend("image", parents=list(graph), mechanism=image)
    params = scm.init(jax.random.key(0))
    monkeypatch.setattr(sheet, "load", lambda workdir: (scm, params))


@pytest.mark.parametrize(
    ("settings", "least_width"),
    [
        ({"node": "Mustache", "num": 2}, 2 * 128),
        ({"kind": "interpolation", "node": "Male", "num": 2}, 8 * 128),
        ({"kind": "diversity"}, 16 * 64),
        ({"kind": "grid2d", "nodes": "Male, Mustache"}, 5 * 128),
        ({"kind": "states2d", "nodes": "Male, Mustache"}, 2 * 64),
    ],
)
def test_every_kind_is_one_file(loaded, tmp_path, settings, least_width):
    out = tmp_path / "new" / "sheet.png"
    assert sheet.write("run", out, **settings) == [out]
    assert Image.open(out).width > least_width
    assert [path.name for path in out.parent.iterdir()] == ["sheet.png"]


@pytest.mark.parametrize("kind", ["do", "interpolation"])
def test_all_labels_are_a_file_each(loaded, tmp_path, kind, monkeypatch):
    tile = Image.fromarray(np.zeros((2, 2, 3), np.uint8))
    monkeypatch.setattr(sheets, "do_versus_see_sheet", lambda *_: tile)
    monkeypatch.setattr(sheet.interpolation, "interpolation_sheet", lambda *_: tile)
    written = sheet.write("run", tmp_path / "all", kind=kind, node="all")
    names = ["Male", "Mustache", "Wears a hat%2Fcap"]
    assert [path.name for path in written] == [f"{kind}_{name}.png" for name in names]
    assert all(path.parent == tmp_path / "all" and path.is_file() for path in written)


def test_labels_files_are_distinct_where_case_does_not_count_and_short():
    labels = ("Age", "age", "age_2", "..", "a/b", "a%2Fb", "ä" * 99, "ä" * 98 + "o")
    files = sheet._file_names("do", labels)
    assert files["Age"] == "do_Age.png"
    assert len({file.lower() for file in files.values()}) == len(labels)
    assert all(len(file.encode()) <= 255 and "/" not in file for file in files.values())


def test_two_labels_may_have_commas(loaded, tmp_path):
    with pytest.raises(ValueError, match="'a, b'"):
        sheet.write("r", tmp_path / "x.png", kind="grid2d", nodes='"a, b",Male')


def test_a_run_of_a_table_alone_says_what_shows_it(tmp_path, monkeypatch):
    nodes = ("Male", "Mustache")
    graph = causal_jax.graph.build(
        [nodes], nodes=nodes, states=dict.fromkeys(nodes, "01")
    )
    labels = controller(graph, hidden=(4,))
    params = labels.init(jax.random.key(0))
    monkeypatch.setattr(sheet, "load", lambda workdir: (labels, params))
    with pytest.raises(
        ValueError, match="run has no images to draw: causal-jax sample"
    ):
        sheet.write("run", tmp_path / "x.png", node="Male")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("out", "settings", "message"),
    [
        ("x.png", {"kind": "grid", "node": "Male"}, "did you mean 'grid2d'"),
        ("x.png", {}, "kind=do needs labels: give --node=Mustache"),
        ("x.png", {"kind": "grid2d"}, "needs labels: give --nodes=Male,Mustache"),
        ("x.png", {"kind": "grid2d", "nodes": "Male"}, "two different labels"),
        ("x.png", {"kind": "diversity", "node": "Male"}, "takes no --node"),
        ("x.png", {"node": "Male", "nodes": "Male,Mustache"}, "takes no --nodes"),
        ("x.png", {"node": "Mail"}, "did you mean 'Male'"),
        ("x.png", {"kind": "interpolation", "node": "Mail"}, "did you mean 'Male'"),
        ("x.png", {"node": "Male", "num": 0}, "at least one picture"),
        ("x.jpg", {"node": "Male"}, "must end in .png"),
        ("x.png", {"node": "all"}, "writes a folder"),
    ],
)
def test_bad_questions_are_one_line_and_nothing_is_written(
    loaded, tmp_path, out, settings, message
):
    with pytest.raises(ValueError, match=message) as raised:
        sheet.write("run", tmp_path / out, **settings)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())
