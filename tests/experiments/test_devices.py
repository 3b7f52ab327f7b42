import numpy as np
import pytest

from experiments import devices


def test_the_study_says_how_far_a_run_is_from_one_that_was_not_interrupted(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(devices, "LAYOUTS", {"1": (1, 1), "2": (1, 2)})
    (row,) = devices.measure(["label_mle"], tmp_path, "float64")
    name, moved, on_one, on_two, same = row
    assert name == "label_mle" and float(moved) > 0.01
    assert max(map(float, (on_one, on_two, same))) < 1e-12


def test_numbers_that_are_not_finite_are_no_small_difference(tmp_path):
    for name, value in (("a", 1.0), ("b", np.nan)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "state.npz", np.array(value), np.int32(3))
    assert devices.gap(tmp_path / "a", tmp_path / "a") == 0
    with pytest.raises(ValueError, match="not finite"):
        devices.gap(tmp_path / "a", tmp_path / "b")
