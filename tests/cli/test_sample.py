import csv

import jax
import numpy as np
import pytest
from PIL import Image

from causal_jax import graph as graphs
from causal_jax.additive_noise import AdditiveNoise
from causal_jax.cli import sample, sample_files
from causal_jax.data import tables
from causal_jax.data.faces import LABELS
from causal_jax.networks.image import ImageGenerator
from causal_jax.queries import parts
from causal_jax.scm import SCM
from causal_jax.tabular import Tabular

SETTINGS = {"num": 6, "do": "", "given": "", "seed": 0, "twin": False}


def _write(run, path, **settings):
    settings = SETTINGS | settings
    scm, values = sample.draw(run, **settings)
    sample.write(path, scm, values, settings["twin"])
    return scm


def test_csv_has_a_row_a_unit_and_states_as_values(run, tmp_path):
    scm = _write(run, tmp_path / "out.csv", do="Mustache=1,Bald=0")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 and tuple(rows[0]) == scm.discrete
    assert {row["Mustache"] for row in rows} == {"1"}
    assert {row["Bald"] for row in rows} == {"0"}


def test_npz_has_an_array_a_node_and_uint8_pictures(run, tmp_path):
    scm = _write(run, tmp_path / "out.npz", given="Male=0")
    with np.load(tmp_path / "out.npz") as arrays:
        assert set(arrays) == set(scm.nodes)
        assert arrays["image"].shape == (6, 32, 32, 3)
        assert arrays["image"].dtype == np.uint8
        assert arrays["Male"].tolist() == [0] * 6


def test_twin_npz_has_both_worlds_of_the_same_units(run, tmp_path):
    _write(run, tmp_path / "out.npz", do="Smiling=1", twin=True)
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["image_factual"].shape == arrays["image_counterfactual"].shape
        np.testing.assert_array_equal(arrays["image"], arrays["image_counterfactual"])
        np.testing.assert_array_equal(
            arrays["Male_factual"], arrays["Male_counterfactual"]
        )
        assert arrays["Smiling_counterfactual"].tolist() == [1] * 6


def test_same_seed_draws_the_same_units(run):
    one, other = (sample.draw(run, **SETTINGS)[1] for _ in range(2))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("twin", [False, True])
def test_png_is_a_grid_with_room_for_labels(run, tmp_path, twin):
    _write(run, tmp_path / "out.png", do="Male=1", twin=twin)
    picture = Image.open(tmp_path / "out.png")
    assert picture.width >= 6 * 64 and picture.height > 64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do": "Mustach=1"}, "did you mean 'Mustache'"),
        ({"do": "Mustache=2"}, "'2' is no state of 'Mustache'"),
        ({"do": "Mustache"}, "is not NODE=STATE"),
        ({"do": "Male=1,Male=0"}, "names 'Male' twice"),
        ({"do": "Male=1", "given": "Male=0"}, "contradict each other on 'Male'"),
        ({"num": 0}, "at least one unit"),
        ({"twin": True}, "give --do"),
        ({"do": "image=3"}, "--do names 'image', which has no states"),
        ({"given": "image=3"}, "--given names 'image', which has no states"),
    ],
)
def test_bad_questions_are_one_line(run, settings, message):
    with pytest.raises(ValueError, match=message) as raised:
        sample.draw(run, **SETTINGS | settings)
    assert "\n" not in str(raised.value)


def test_unknown_ending_is_refused_before_anything_is_drawn(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.csv, \.npz, \.png"):
        sample_files.require_ending(tmp_path / "out.jpg")


@pytest.fixture
def odd_run(monkeypatch):
    """A run, untrained, whose names are those of worlds and of numpy's arguments."""
    names = ("A", "A_factual", "file", "km/h", "a,b=c")
    graph = graphs.complete(names)
    shape = [(2,) * i for i in range(len(names))]
    scm = SCM(graph, {n: Tabular(2, s) for n, s in zip(names, shape, strict=True)})
    params = scm.init(jax.random.key(0))
    monkeypatch.setattr(sample, "load", lambda workdir: (scm, params))
    return "run"


def test_any_names_are_written_and_read_back(odd_run, tmp_path):
    scm = _write(odd_run, tmp_path / "out.npz", do='"a,b=c"=1,A=0')
    with np.load(tmp_path / "out.npz") as arrays:
        assert set(arrays) == set(scm.nodes)
        assert arrays["a,b=c"].tolist() == [1] * 6


def test_twins_of_names_that_are_worlds_differ_in_a_table_and_else_are_refused(
    odd_run, tmp_path
):
    _write(odd_run, tmp_path / "out.csv", do="A=1", twin=True, num=200)
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["A_counterfactual"] for row in rows} == {"1"}
    assert {row["A_factual"] for row in rows} == {"0", "1"}, "the factual A"
    # P(A_factual = 1 | do(A = 1)) is the share of the counterfactual column.
    share = np.mean([row["A_factual_counterfactual"] == "1" for row in rows])
    scm, params = sample.load("run")
    expected = float(params["A_factual"]["probs"][1, 1])
    assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / 200) + 1e-6
    with pytest.raises(ValueError, match="array 'A_factual' .* write --out=FILE.csv"):
        _write(odd_run, tmp_path / "out.npz", do="A=1", twin=True)
    assert not list(tmp_path.glob("*.npz*"))


def test_a_number_is_set_at_a_node_without_states(monkeypatch):
    scm = SCM(graphs.build(nodes="X"), {"X": AdditiveNoise(lambda _: 0.0)})
    params = scm.init(jax.random.key(0))
    monkeypatch.setattr(sample, "load", lambda workdir: (scm, params))
    _, values = sample.draw("run", **SETTINGS | {"do": "X=-1.5e-3"})
    np.testing.assert_allclose(values["X"], -1.5e-3)


def test_a_network_of_digits_is_sampled(digits_run, tmp_path):
    scm, values = sample.draw(
        digits_run, num=3, do="texture_label=3", given="", seed=0, twin=False
    )
    assert (values["texture_label"] == 3).all()
    sample.write(tmp_path / "three.png", scm, values, twin=False)
    assert (tmp_path / "three.png").is_file()


def test_the_command_writes_what_its_flags_ask_for(run, tmp_path, python_m):
    out = tmp_path / "done.csv"
    done = python_m(
        "experiments.sample",
        f"--workdir={run}",
        "--num=5",
        "--do=Mustache=1",
        "--given=Male=0",
        "--seed=3",
        f"--out={out}",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first, following = done.stdout.splitlines()
    assert first == f"wrote 5 units to {out}"
    assert following.startswith(f"Next: causal-jax sample --workdir={run} --do=")
    scm, values = sample.draw(
        run, num=5, do="Mustache=1", given="Male=0", seed=3, twin=False
    )
    sample.write(tmp_path / "here.csv", scm, values, twin=False)
    assert out.read_text() == (tmp_path / "here.csv").read_text()


def _refuse_pictures(monkeypatch, run):
    """Whatever draws a picture of the loaded run fails."""
    loaded = sample.load(run)  # looks at an image's shape
    monkeypatch.setattr(sample, "load", lambda workdir: loaded)
    monkeypatch.setattr(ImageGenerator, "apply", lambda *_: 1 / 0)
    jax.clear_caches()


@pytest.mark.parametrize(
    "question",
    [{}, {"do": "Mustache=1", "given": "Male=0"}, {"do": "Smiling=1", "twin": True}],
)
def test_labels_alone_are_the_same_draws_and_no_picture_is_drawn(
    run, question, monkeypatch
):
    whole = sample.draw(run, **SETTINGS | question)[1]
    _refuse_pictures(monkeypatch, run)
    scm, labels = sample.draw(run, **SETTINGS | question, labels_only=True)
    assert set(scm.nodes) == set(LABELS) and len(labels) in (
        9,
        18,
    )  # of twins both worlds
    for name, values in labels.items():
        np.testing.assert_array_equal(values, whole[name])


def test_a_table_is_drawn_without_its_pictures(run, tmp_path, flags_of, monkeypatch):
    _refuse_pictures(monkeypatch, run)
    out = tmp_path / "seen.csv"
    sample.main(flags_of(sample, workdir=str(run), out=str(out), num=5))
    assert len(out.read_text().splitlines()) == 6


def test_a_csv_says_formulas_as_text_unless_it_is_raw(monkeypatch, tmp_path, flags_of):
    names = ("=1+1", "-x")
    graph = graphs.build(nodes=["A"], states={"A": names})
    scm = SCM(graph, {"A": Tabular(2)})
    params = scm.init(jax.random.key(0))
    monkeypatch.setattr(sample, "load", lambda workdir: (scm, params))
    out = tmp_path / "x.csv"
    sample.main(flags_of(sample, workdir="run", out=str(out), num=40))
    assert set(out.read_text().splitlines()[1:]) == {"'=1+1", "'-x"}
    found = tables.read_csv(out, quiet=True)
    assert set(found.states["A"]) == set(names)
    sample.main(flags_of(sample, workdir="run", out=str(out), num=40, raw_csv=True))
    assert set(out.read_text().splitlines()[1:]) == set(names)


@pytest.mark.parametrize("twin", [False, True])
@pytest.mark.parametrize("ending", [".csv", ".npz"])
def test_parts_are_written_as_the_whole_would_be(
    odd_run, tmp_path, monkeypatch, flags_of, ending, twin
):
    if twin:  # names of worlds are refused in .npz
        scm = SCM(graphs.build(nodes=["A"], states={"A": "01"}), {"A": Tabular(2)})
        params = scm.init(jax.random.key(0))
        monkeypatch.setattr(sample, "load", lambda workdir: (scm, params))
    written = []
    for size in (1000, 7):
        monkeypatch.setattr(parts, "SIZE", size)
        out = tmp_path / f"out{size}{ending}"
        asked = {"num": 20, "do": "A=1", "twin": twin}
        sample.main(flags_of(sample, workdir="run", out=str(out), **asked))
        written.append(out)
    if ending == ".csv":
        assert written[0].read_text() == written[1].read_text()
        return
    with np.load(written[0]) as one, np.load(written[1]) as other:
        assert set(one) == set(other)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
            assert one[name].dtype == other[name].dtype
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz"}, "nothing is left"


def test_twins_that_an_archive_cannot_tell_apart_are_refused_before_drawing(tmp_path):
    scm = SCM("A -> A_factual", {"A": Tabular(2), "A_factual": Tabular(2, (2,))})

    def parts():
        raise AssertionError("nothing is drawn")
        yield

    with pytest.raises(ValueError, match="'A_factual' would be the node of that name"):
        sample_files.write(tmp_path / "twins.npz", scm, parts(), twin=True)
    assert not list(tmp_path.iterdir())


def test_after_twins_of_a_table_its_own_rows_are_imagined(tables):
    following = sample.next_step("run", tables.scm, twin=True)
    assert following.startswith(
        "Next: causal-jax counterfactual --workdir=run --units="
    )


def test_a_name_that_no_archive_may_have_is_refused(tmp_path):
    graph = graphs.build([], nodes=["../A"], states={"../A": "01"})
    model = SCM(graph, {"../A": Tabular(2)})
    params = model.init(jax.random.key(0))
    parts = [model.sample(params, jax.random.key(1), num=2)]
    with pytest.raises(ValueError, match="'../A' is no name .*: write --out=FILE.csv"):
        sample_files.write(tmp_path / "out.npz", model, parts, twin=False)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="is a folder: name a file"):
        (tmp_path / "out.csv").mkdir()
        sample_files.write(tmp_path / "out.csv", model, parts, twin=False)
