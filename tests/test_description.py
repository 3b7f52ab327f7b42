"""What a model says of itself: short, whole, and safe to show in a page."""

import subprocess
import sys
import time

import jax
import pytest
from flax import linen

from causal_jax import (
    SCM,
    AdditiveNoise,
    Constant,
    LinearGaussian,
    Tabular,
    description,
    from_module,
    graph,
)
from causal_jax.data import faces


def weather():
    found = graph.build(
        [("Rain", "Wet"), ("Season", "Rain")],
        states={"Season": ("dry", "mild", "wet"), "Wet": ("no", "yes")},
    )
    tables = {"Season": Tabular(3), "Rain": Tabular(2, (3,)), "Wet": Tabular(2, (2,))}
    return SCM(found, tables)


def chain(num):
    names = [f"n{i}" for i in range(num)]
    edges = [(names[i + 1], names[i]) for i in range(num - 1)]
    found = {name: LinearGaussian(1) for name in names} | {names[-1]: LinearGaussian()}
    return SCM(graph.build(edges, nodes=names), found)


def test_a_model_says_its_nodes_kinds_states_and_parents():
    assert repr(weather()).splitlines() == [
        "SCM of 3 nodes",
        "  Rain    binary (0, 1)                 <- Season",
        "  Wet     binary (no, yes)              <- Rain",
        "  Season  categorical (dry, mild, wet)",
    ]


class Picture(linen.Module):
    @linen.compact
    def __call__(self, parents, noise, train):
        size = parents[0].size + noise.shape[0]
        return linen.Dense(6 * 5 * 3)(noise).reshape(-1, 6, 5, 3) + 0 * size


def test_every_kind_of_value_is_told_without_parameters():
    nodes = {
        "label": Tabular(2),
        "number": LinearGaussian(1),
        "vector": AdditiveNoise(lambda params, x: x, shape=(5,)),
        "table": Constant((4, 2)),
        "picture": from_module(Picture(), noise_size=3),
        "below": AdditiveNoise(lambda params, image: image.mean()),
    }
    scm = SCM(
        "label -> number ; number -> vector ; table ; vector -> picture ;"
        "picture -> below",
        nodes,
    )
    assert {name: description.kind(scm, name) for name in scm.nodes} == {
        "label": "binary",
        "number": "continuous",
        "vector": "vector [5]",
        "table": "array [4, 2]",
        "picture": "image [6, 5, 3]",
        "below": "continuous",
    }


def test_kinds_are_those_of_the_values_that_are_drawn():
    scm, params = faces.scm(size=32)
    shape = scm.value_shapes(params)["image"].shape
    assert description.kind(scm, "image") == f"image {list(shape)}"


def test_a_mechanism_that_does_not_tell_its_shape_is_described_all_the_same():
    class Broken(linen.Module):
        @linen.compact
        def __call__(self, parents, noise, train):
            raise RuntimeError("not yet")

    scm = SCM("a -> b", {"a": Constant(), "b": from_module(Broken(), noise_size=1)})
    assert repr(scm).splitlines()[2] == "  b  value       <- a"


def test_an_intervened_model_is_described_too():
    scm, params = faces.scm(size=32)
    done, _ = scm.substitute(params, {"Smiling": 1})
    assert "Smiling " in repr(done) and "<table" in done._repr_html_()


def test_a_thousand_nodes_are_described_briefly_and_fast():
    scm = chain(1000)
    started = time.perf_counter()
    text, page = repr(scm), scm._repr_html_()
    assert time.perf_counter() - started < 1.0
    assert text.splitlines()[-1] == "  ... and 980 more nodes"
    assert len(text.splitlines()) == 22
    assert "... and 950 more nodes" in page and page.count("<tr>") == 51
    assert "<svg" not in page, "a thousand boxes are no picture"


def test_long_lists_and_names_are_cut():
    states = [f"a state of the very longest name, number {i:03}" for i in range(200)]
    scm = SCM(graph.build([], nodes=["X"], states={"X": states}), {"X": Tabular(200)})
    assert repr(scm).splitlines()[1].endswith(", ... 200 in all)")
    assert len(repr(scm)) < 600 and len(scm._repr_html_()) < 2000


def test_names_and_states_are_text_in_a_page_whatever_they_hold():
    name, state = "<img src=x onerror=alert(1)>", "</td><script>\"'&"
    found = graph.build([], nodes=[name], states={name: ("no", state)})
    page = SCM(found, {name: Tabular(2)})._repr_html_()
    assert "<img" not in page and "<script" not in page
    assert "&lt;img" in page and "&lt;script&gt;&quot;&#x27;&amp;" in page


def test_a_page_shows_every_edge_of_the_graph():
    page = weather()._repr_html_()
    assert page.count("<path") == page.count("<polygon") == 2
    assert page.count("<rect") == 3


def test_a_repr_has_no_side_effects_on_tracing():
    """It may be asked for while a function is traced, by a debugger for example."""
    scm, params = faces.scm(size=32)

    @jax.jit
    def drawn(key):
        assert "image [32, 32, 3]" in repr(scm)
        return scm.sample(params, key, num=1)["image"]

    description._traced.cache_clear()
    assert drawn(jax.random.key(0)).shape == (1, 32, 32, 3)


@pytest.mark.parametrize("what", ["repr(scm)", "scm._repr_html_()"])
def test_describing_a_model_loads_no_plotting(what):
    program = (
        "import sys; from causal_jax import SCM, Tabular; "
        f"scm = SCM('A -> B', {{'A': Tabular(2), 'B': Tabular(2, (2,))}}); {what}; "
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"matplotlib", "PIL", "causal_jax.reporting"} & set(done.stdout.split())
