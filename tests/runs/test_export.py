"""Exported models: the live model's numbers, and refusals."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax import SCM, bernoulli, categorical, export, linear_gaussian
from causal_jax import graph as graphs
from causal_jax.networks.cgn import mnist
from causal_jax.networks.image import ImageGenerator
from causal_jax.runs import exported as exported_file

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs" / "export.md"


def labels_and_numbers():
    scm = {
        "Rain": bernoulli(0.3),
        "Wet": categorical([[0.9, 0.1], [0.2, 0.8]]),
        "Depth": linear_gaussian([2.0], bias=1.0, scale=0.5),
    }
    graph = {"Rain": [], "Wet": ["Rain"], "Depth": ["Wet"]}
    edges = [(parent, name) for name, above in graph.items() for parent in above]
    built = graphs.build(edges, nodes=[*graph], states={"Wet": ("dry", "soaked")})
    model = SCM(built, {name: mechanism for name, (mechanism, _) in scm.items()})
    return model, {name: params for name, (_, params) in scm.items()}


def labels_and_image():
    image = ImageGenerator((2, 2), resolution=16, width=4, noise_size=4)
    rain, wet = bernoulli(0.3), categorical([[0.9, 0.1], [0.2, 0.8]])
    scm = SCM(
        "Rain -> Wet\nRain -> image\nWet -> image",
        {"Rain": rain[0], "Wet": wet[0], "image": image},
    )
    own = image.init(jax.random.key(0), (jnp.array(0), jnp.array(1)))
    return scm, {"Rain": rain[1], "Wet": wet[1], "image": own}


def digits():
    scm = mnist.scm(width=4, noise_size=4, abduction_steps=2)
    return scm, scm.init(jax.random.key(0))


MODELS = {"labels": labels_and_numbers, "images": labels_and_image, "digits": digits}


@pytest.fixture(scope="module", params=MODELS)
def exported(request, tmp_path_factory):
    scm, params = MODELS[request.param]()
    path = tmp_path_factory.mktemp("export") / "model.zip"
    receipt = export.save(path, scm, params, config={"seed": 3}, command="make it")
    return scm, params, export.load(path), receipt


def states_as_names(scm, values):
    return {
        name: np.asarray(scm.states(name))[value] if scm.states(name) else value
        for name, value in values.items()
    }


def require_equal(got, want):
    assert [*got] == [*want]
    for name, value in want.items():
        if value.dtype.kind == "U":
            assert got[name].tolist() == value.tolist()
        else:
            np.testing.assert_allclose(got[name], value, atol=1e-6)


@pytest.mark.parametrize("num", [1, 7, 1000])
def test_it_samples_what_the_live_model_samples(exported, num):
    scm, params, model, _ = exported
    name = scm.discrete[-1]
    do = {} if num == 7 else {name: scm.states(name)[1]}
    want = scm.sample(params, jax.random.key(5), num=num, do=do)
    got = model.do(do, num=num, seed=5) if do else model.observe(num, seed=5)
    require_equal(got, states_as_names(scm, want))


def test_counterfactuals_are_those_of_the_live_model(exported):
    scm, params, model, receipt = exported
    name = scm.discrete[0]
    do, key = {name: scm.states(name)[0]}, jax.random.key(2)
    drawn = model.observe(7, seed=1)
    for entry, observed in receipt["observed"].items():
        factual = {node: drawn[node] for node in observed}
        want = scm.counterfactual(params, key, factual, do=do)
        got = model.counterfactual(factual, do, seed=2)
        require_equal(got, states_as_names(scm, want))
        assert entry not in receipt["refused"]


def test_values_of_units_and_numbers_go_in(tmp_path):
    scm, params = labels_and_numbers()
    export.save(tmp_path / "m.zip", scm, params, platforms=["cpu"])
    model = export.load(tmp_path / "m.zip")
    drawn = model.do({"Wet": ["dry", "soaked"], "Rain": jnp.array(1)}, num=2)
    assert drawn["Wet"].tolist() == ["dry", "soaked"]
    assert drawn["Rain"].tolist() == ["1", "1"]
    assert model.do({"Depth": [1.5, -2.0]}, num=2)["Depth"].tolist() == [1.5, -2.0]


def test_programs_for_gpu_and_tpu_hold_native_convolutions(exported):
    scm, _, model, _ = exported
    num_convolutions = {"labels": 0, "images": 2, "digits": 8}
    kind = "digits" if "shape" in scm.nodes else "images"
    kind = kind if "image" in scm.nodes else "labels"
    with zipfile.ZipFile(model.path) as file:
        for platform in ("cuda", "tpu"):
            program = jax.export.deserialize(bytearray(file.read(f"sample.{platform}")))
            text = program.mlir_module()
            assert program.platforms == (platform,)
            assert text.count("stablehlo.convolution") == num_convolutions[kind]
            assert "stablehlo.while" not in text  # the CPU's blocks of images
    if kind == "images":
        with zipfile.ZipFile(model.path) as file:
            text = jax.export.deserialize(bytearray(file.read("sample.cpu")))
            assert "stablehlo.while" in text.mlir_module()


def test_the_receipt_says_what_it_is_of(exported):
    scm, params, model, receipt = exported
    with zipfile.ZipFile(model.path) as file:
        kept = json.loads(file.read("receipt.json"))
    assert kept == json.loads(json.dumps(receipt))
    assert kept["config"] == {"seed": 3}
    assert [node["name"] for node in kept["nodes"]] == list(scm.nodes)
    assert len(kept["parameters"]["names"]) == len(jax.tree.leaves(params))
    assert kept["versions"]["jax"] == jax.__version__


def test_the_loader_of_the_docs_needs_no_library(exported, tmp_path):
    scm, params, model, _ = exported
    name = scm.discrete[0]
    state = scm.states(name)[1]
    code = re.search(r"```python\n# load.py\n(.*?)```", DOCS.read_text(), re.S)[1]
    script = f"""
import sys
sys.modules["causal_jax"] = None  # an import of it fails
{code}
values = load({str(model.path)!r})(7, seed=5, do={{{name!r}: {state!r}}})
np.savez("values.npz", **values)
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    want = scm.sample(params, jax.random.key(5), num=7, do={name: state})
    with np.load(tmp_path / "values.npz") as values:
        got = {node: values[node] for node in scm.nodes}
    require_equal(got, states_as_names(scm, want))


# --- refusals -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rainy(tmp_path_factory):
    scm, params = labels_and_image()
    path = tmp_path_factory.mktemp("rainy") / "model.zip"
    export.save(path, scm, params, platforms=["cpu"], command="the command")
    return path


@pytest.mark.parametrize(
    ("do", "num", "message"),
    [
        ({"Wett": "1"}, 2, "'Wet'"),
        ({"Wet": "maybe"}, 2, "no state of 'Wet'"),
        ({"Wet": ["0", "1", "1"]}, 2, "one for each of the 2 units"),
        ({"image": 0.0}, 2, "its value is an array"),
        ({}, 0, "num is 0"),
    ],
)
def test_what_cannot_be_done_is_refused(rainy, do, num, message):
    with pytest.raises(ValueError, match=message):
        export.load(rainy).do(do, num=num)


def test_a_factual_with_holes_is_refused(rainy):
    with pytest.raises(ValueError, match="leaves out 'Wet'"):
        export.load(rainy).counterfactual({"Rain": ["0"]}, {"Rain": "1"})


def test_an_impossible_factual_is_refused(tmp_path):
    rain, wet = bernoulli(0.3), categorical([[1.0, 0.0], [0.0, 1.0]])
    scm = SCM("Rain -> Wet", {"Rain": rain[0], "Wet": wet[0]})
    params = {"Rain": rain[1], "Wet": wet[1]}
    export.save(tmp_path / "m.zip", scm, params, platforms=["cpu"])
    model = export.load(tmp_path / "m.zip")
    with pytest.raises(ValueError, match="impossible under the model.*unit 1, 1 in"):
        model.counterfactual({"Rain": ["1", "0"], "Wet": ["1", "1"]}, {"Rain": "0"})


def test_a_node_without_abduction_has_no_counterfactual(tmp_path):
    class Coin:
        num_states = 2

        def init(self, key, parents):
            return {}

        def noise(self, key, num):
            return jax.random.uniform(key, (num,))

        def apply(self, params, parents, noise):
            return (noise < 0.5).astype(jnp.int32)

    scm = SCM(graphs.build([], nodes=["Coin"]), {"Coin": Coin()})
    receipt = export.save(tmp_path / "m.zip", scm, {"Coin": {}}, platforms=["cpu"])
    assert receipt["refused"]["counterfactual"] == "node 'Coin' cannot be abducted"
    with pytest.raises(ValueError, match="'Coin' cannot be abducted; two calls of do"):
        export.load(tmp_path / "m.zip").counterfactual({"Coin": ["1"]}, {})


def test_other_platforms_are_refused(rainy, tmp_path):
    with pytest.raises(ValueError, match="programs for cpu, none for tpu"):
        export.load(rainy, platform="tpu")
    with pytest.raises(ValueError, match="no platform 'gpu'"):
        export.save(tmp_path / "m.zip", *labels_and_image(), platforms=["gpu"])
    assert not (tmp_path / "m.zip").exists()


def test_a_receipt_without_what_it_has_to_say_is_refused(rainy, tmp_path):
    def change(name, data):
        if name != "receipt.json":
            return data
        receipt = json.loads(data)
        del receipt["platforms"]
        return json.dumps(receipt).encode()

    made_up = rewritten(rainy, tmp_path / "made_up.zip", change)
    with pytest.raises(ValueError, match="its receipt lacks 'platforms'"):
        export.load(made_up)


def test_members_that_are_not_listed_are_not_unpacked(rainy, tmp_path, monkeypatch):
    padded = tmp_path / "padded.zip"
    shutil.copy(rainy, padded)
    with zipfile.ZipFile(padded, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("params/999.npy", bytes(1 << 22))
    monkeypatch.setattr(exported_file, "_MAX_UNPACKED", 1 << 22)
    assert export.load(padded).receipt["format"] == 1
    monkeypatch.setattr(exported_file, "_MAX_UNPACKED", 100)
    with pytest.raises(ValueError, match="unpacks to more than 100 bytes"):
        export.load(padded)


def rewritten(path, out, change):
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            data = change(info.filename, old.read(info))
            if data is not None:
                new.writestr(info.filename, data)
    return out


def with_a_bit_flipped(path, out, member):
    """The file itself, damaged in the middle of a member's packed bytes."""
    with zipfile.ZipFile(path) as file:
        info = file.getinfo(member)
    data = bytearray(path.read_bytes())
    start = info.header_offset + 30 + len(member)  # of the local header
    data[start + info.compress_size // 2] ^= 16
    out.write_bytes(data)
    return out


@pytest.mark.parametrize("member", ["receipt.json", "params/0.npy", "sample.cpu"])
@pytest.mark.parametrize("kind", ["missing", "flipped", "cut"])
def test_damage_is_refused(rainy, tmp_path, member, kind):
    def change(name, data):
        if name != member:
            return data
        return None if kind == "missing" else data[: len(data) // 2]

    damaged = tmp_path / "damaged.zip"
    if kind == "flipped":
        with_a_bit_flipped(rainy, damaged, member)
    else:
        rewritten(rainy, damaged, change)
    with pytest.raises(ValueError, match="no exported model, or damaged"):
        export.load(damaged)


def test_a_config_that_no_file_can_hold_is_refused_at_once(tmp_path):
    scm, params = labels_and_numbers()
    with pytest.raises(ValueError, match="the config is no plain data"):
        export.save(tmp_path / "m.zip", scm, params, config={"fn": print})
    with pytest.raises(ValueError, match="no platform is named"):
        export.save(tmp_path / "m.zip", scm, params, platforms=[])


def test_no_file_and_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        export.load(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(ValueError, match="no exported model, or damaged"):
        export.load(tmp_path / "text.zip")


def test_a_file_that_jax_reads_no_longer_names_the_command(rainy, monkeypatch):
    def too_old(data):
        raise ValueError("calling convention version 3 is not supported")

    monkeypatch.setattr(jax.export, "deserialize", too_old)
    with pytest.raises(ValueError, match="make it anew with the command"):
        export.load(rainy)
