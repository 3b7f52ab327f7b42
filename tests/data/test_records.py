"""What the readers return, and that it needs no library of any reader."""

import json
import subprocess
import sys

import numpy as np
import pytest

from causal_jax.data.records import ImageData, Table

READERS = ("PIL", "tensorflow_datasets", "grain", "sklearn", "tqdm")


def test_pictures_and_labels_stand_row_by_row():
    values = np.array([[0, 1], [1, 0], [1, 1]], np.int32)
    table = Table(names=("a", "b"), states=dict.fromkeys("ab", "01"), values=values)
    data = ImageData(images=np.zeros((3, 4, 4, 3), np.uint8), table=table)
    assert table.num_rows == len(data.images) == 3
    np.testing.assert_array_equal(data.labels, values)


@pytest.mark.parametrize("module", ["records", "celeba_graphs", "tables", "faces"])
def test_tables_and_graphs_are_read_without_the_pictures_libraries(module):
    program = (
        f"import json, sys, causal_jax.data.{module}; "
        f"print(json.dumps([m for m in {READERS} if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
