from types import SimpleNamespace

import numpy as np
import pytest

from causal_jax.data.faces import LABELS
from causal_jax.data.records import ImageData, Table
from causal_jax.recipes.labels_images import cases


def test_true_cases_change_one_label_and_what_lies_below_it():
    found = cases.face_cases(LABELS, 8, 3)
    assert len(found.names) == 18 and found.labels.shape == (18, 3, 9)
    for i, column in enumerate(found.columns):
        before, after = found.labels[i, :, column], found.others[i, :, column]
        assert set(before) == {i % 2} and set(after) == {1 - i % 2}
    leaf = found.names.index("Bald=1 to 0")
    others = np.delete(found.labels[leaf] == found.others[leaf], 3, axis=1)
    assert LABELS[3] == "Bald" and others.all()


def test_cases_have_the_labels_of_the_model_in_its_order():
    all_labels, few = cases.face_cases(LABELS, 8, 2), ("Mustache", "Male")
    found = cases.face_cases(few, 8, 2)
    assert found.names[:2] == ["Mustache=0 to 1", "Mustache=1 to 0"]
    columns = [LABELS.index(name) for name in few]
    same = [all_labels.names.index(name) for name in found.names]
    np.testing.assert_array_equal(found.images, all_labels.images[same])
    np.testing.assert_array_equal(found.labels, all_labels.labels[same][..., columns])
    np.testing.assert_array_equal(found.others, all_labels.others[same][..., columns])


def test_no_held_out_picture_is_two_cases(monkeypatch, capsys):
    """Of 40 pictures 12 are in state 1 of the first label, and 3 of the second."""
    values = np.zeros((40, 2), int)
    values[:12, 0], values[:3, 1] = 1, 1
    table = Table(("A", "B"), {"A": ("0", "1"), "B": ("no", "yes")}, values)
    images = np.broadcast_to(
        np.arange(40, dtype=np.uint8)[:, None, None, None], (40, 4, 4, 3)
    )
    scm = SimpleNamespace(nodes=table.names, states=table.states.get)
    model = SimpleNamespace(trained=SimpleNamespace(label_scm=scm))
    monkeypatch.setattr(cases, "label_counterfactual", lambda model, rows, *_: rows)
    found = cases.held_out_cases(model, ("A", "B"), ImageData(images, table), 60)
    assert found.names == ["A=0 to 1", "A=1 to 0", "B=no to yes"]
    printed = capsys.readouterr().out
    assert "left out, of fewer than 10 pictures: B=yes to no" in printed
    assert "12 cases a label and state: A=1 to 0 has no more" in printed
    assert found.images.shape[:2] == (3, 12)  # as many as the rarest has
    for stratum in found.images[..., 0, 0, 0]:
        assert len(set(stratum)) == 12
    few = cases.held_out_cases(model, ("B",), ImageData(images, table), 2)
    assert few.names == ["B=no to yes", "B=yes to no"]
    nothing = ImageData(images[:0], table._replace(values=values[:0]))
    with pytest.raises(ValueError, match="0 held-out pictures are too few"):
        cases.held_out_cases(model, ("A",), nothing, 2)
