import numpy as np

from causal_jax.data.faces import LABELS
from causal_jax.recipes.labels_images import cases


def test_true_cases_change_one_label_and_what_lies_below_it():
    found = cases.face_cases(8, 3)
    assert len(found.names) == 18 and found.labels.shape == (18, 3, 9)
    for i, column in enumerate(found.columns):
        before, after = found.labels[i, :, column], found.others[i, :, column]
        assert set(before) == {i % 2} and set(after) == {1 - i % 2}
    leaf = found.names.index("Bald=1 to 0")
    others = np.delete(found.labels[leaf] == found.others[leaf], 3, axis=1)
    assert LABELS[3] == "Bald" and others.all()
