import json

import jax
import numpy as np
import pytest

from benchmarks import graphs, harness, label_stage, layers, run
from causal_jax import graph as graph_readers
from causal_jax.losses.adversarial import critic_loss
from causal_jax.networks import controller
from experiments import results


def test_a_loop_of_calls_answers_as_one_call_does():
    comparison = graphs.grid(1)
    comparison.check(comparison.ours(), comparison.theirs())
    with pytest.raises(AssertionError):
        comparison.check(comparison.ours() + 0.1, comparison.theirs())


def test_shares_of_draws_are_compared_with_their_law():
    names = ["A=0", "A=1"]
    graphs.require_shares([0.31, 0.69], [0.3, 0.7], 10_000, names)
    with pytest.raises(ValueError, match="A=0: ours 0.3400, exact 0.3000"):
        graphs.require_shares([0.34, 0.66], [0.3, 0.7], 10_000, names)
    with pytest.raises(ValueError, match="A=0"):  # what never happens was drawn
        graphs.require_shares([0.0001, 0.9999], [0.0, 1.0], 10_000, names)


def test_the_label_stages_losses_are_those_that_are_trained_with():
    scm = controller.reference_controller(graph_readers.read(label_stage.GRAPH))
    carried, same = label_stage.example(scm)
    batch = carried["batch"]
    loss, distance = critic_loss(
        lambda rows: controller.mlp(carried["critic"], rows.T)[0],
        *(batch[name] for name in ("real", "fake", "mix")),
        penalty_weight=label_stage.PENALTY_WEIGHT,
    )
    weighted = label_stage.PENALTY_WEIGHT * same["penalty"]
    assert same["critic loss"] == pytest.approx(weighted - float(distance), rel=1e-5)
    assert same["critic loss"] == pytest.approx(float(loss), rel=1e-6)
    judged = controller.mlp(carried["critic"], batch["fake"].T)
    assert same["controller loss"] == pytest.approx(-float(judged.mean()), rel=1e-5)
    assert same["penalty"] > 0


def test_a_transposed_convolution_counts_as_what_it_is_the_transpose_of():
    of_layer = layers.Layer("conv", 32, 5, 2, 64, 128).operations
    assert of_layer == 3 * 2 * 64 * 16 * 16 * 25 * 64 * 128
    assert of_layer == layers.Layer("conv_transpose", 16, 5, 2, 128, 64).operations


def test_native_layers_compute_what_ours_do(monkeypatch):
    monkeypatch.setattr(layers, "BATCH", 2)
    rng = np.random.RandomState(0)
    for kind in ("conv", "conv_transpose", "conv_of_doubled"):
        strides, kernel = (1, 3) if kind == "conv_of_doubled" else (2, 5)
        layer = layers.Layer(kind, 4, kernel, strides, 3, 5)
        x = layers.random(rng, 2, 4, 4, 3)
        weights = layers.random(rng, kernel, kernel, 3, 5)
        ours = layer.function()(x, weights)
        native = layer.function("native")(x, weights)
        np.testing.assert_allclose(ours, native, atol=1e-4)


def test_only_files_that_need_other_devices_run_elsewhere():
    args = run.parsed([])
    here = jax.device_count()
    assert run.num_devices("digits", args) == (None if here == 2 else 2)
    assert run.num_devices("graphs", args) == (None if here == 1 else 1)
    assert run.num_devices("digits", run.parsed(["--threads=1"])) is None
    assert list(run.chosen_of("digits", run.parsed(["--only=classifier"]))) == [
        "classifier"
    ]
    assert not run.chosen_of("digits", run.parsed(["--file=graphs"]))


def test_rows_of_former_commands_are_not_of_the_table(tmp_path, monkeypatch):
    page = tmp_path / "performance.md"
    page.write_text("a\n<!-- made by benchmarks.run -->\n<!-- end -->\nb\n", "utf-8")
    monkeypatch.setattr(harness, "PAGE", page)
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    figures = {"x": {"what": "a step", "ours_seconds": 0.5}}
    for file, command in (("graphs", "benchmarks.run"), ("digits", "benchmarks.other")):
        row = {"command": command, "note": "", "metrics": {"benchmark": figures}}
        (tmp_path / f"benchmark_{file}.json").write_text(json.dumps(row), "utf-8")
    run.write_page()
    assert page.read_text("utf-8").count("| a step | 0.5 s | - |") == 1
