import unicodedata

import jax
import numpy as np
import pytest
from PIL import Image

import causal_jax
from causal_jax.cli import sheet
from causal_jax.networks.cgn import mnist
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
    more = (*labels, "Größe (cm)", unicodedata.normalize("NFD", "Haarlänge"))
    files = sheet._file_names("do", more)
    assert files["Age"] == "do_Age.png"
    assert files.pop(more[-1]) == "do_Haarlänge.png"
    assert files.pop("Größe (cm)") == "do_Größe %28cm%29.png"
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
        ("x.png", {"node": "Male", "do": "Male=1"}, "kind=do takes no --do"),
        ("x.png", {"node": "Male", "classes": "1"}, "takes no --classes"),
        ("x.png", {"kind": "parts"}, "no counterfactual generative network"),
        ("x.png", {"kind": "mask"}, "did you mean 'masks'"),
    ],
)
def test_bad_questions_are_one_line_and_nothing_is_written(
    loaded, tmp_path, out, settings, message
):
    with pytest.raises(ValueError, match=message) as raised:
        sheet.write("run", tmp_path / out, **settings)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


# --- models with parts ----------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    """Digits that were never trained: labels, parts and image."""
    scm = mnist.scm(width=2, noise_size=3, init_scale=1.5)
    return scm, scm.init(jax.random.key(0))


@pytest.mark.parametrize(
    ("settings", "num_cells"),
    [
        ({"kind": "parts", "num": 2, "do": "shape_label=3"}, (2, 4)),
        ({"kind": "masks", "classes": "3|8", "num": 1}, (2, 2)),
        ({"kind": "backgrounds", "num": 1}, (8, 2)),
        ({"kind": "counterfactuals", "num": 2}, (2, 7)),
        ({"kind": "counterfactuals", "node": "shape", "classes": "1,2,3"}, (4, 4)),
        ({"kind": "classes", "num": 2, "classes": "0|9", "node": "all"}, (3, 4)),
    ],
)
def test_every_kind_of_parts_is_one_file(digits, tmp_path, settings, num_cells):
    out = tmp_path / "sheet.png"
    assert sheet.write("run", out, open_fn=lambda _: digits, **settings) == [out]
    width, height = Image.open(out).size
    rows, columns = num_cells
    assert height // 136 == rows and (width - 24) // 136 >= columns


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "parts", "classes": "1"}, "kind=parts takes no --classes"),
        ({"kind": "masks", "node": "shape"}, "kind=masks takes no --node"),
        ({"kind": "classes", "node": "shap"}, "did you mean 'shape'"),
        ({"kind": "classes", "nodes": "a,b"}, "takes no --nodes"),
        ({"kind": "classes", "classes": "1|12"}, "there is no class 12"),
        ({"kind": "parts", "do": "shape=1"}, "--do sets labels here: shape_label"),
        ({"kind": "parts", "do": "shape_label=10"}, "--do: there is no class 10"),
        ({"kind": "parts", "do": "shape_lable=1"}, "did you mean 'shape_label'"),
        ({"kind": "parts", "num": 0}, "at least one picture"),
        (
            {"kind": "classes", "classes": "1|2", "do": "texture_label=3"},
            "--do sets texture_label, which moves",
        ),
    ],
)
def test_bad_questions_to_parts_are_one_line(digits, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message) as raised:
        sheet.write("run", tmp_path / "x.png", open_fn=lambda _: digits, **settings)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())
