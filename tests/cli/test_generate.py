import jax
import numpy as np
import pytest

import causal_jax
from causal_jax.cli import generate
from causal_jax.data import counterfactuals
from causal_jax.recipes.digits.generator import draw_blocks


def test_a_written_set_is_what_a_classifier_would_draw(digits_run, tmp_path):
    blocks = generate.blocks(str(digits_run), num=20, per_mask=2, seed=5)
    counterfactuals.write("cfs", blocks, description="", data_dir=tmp_path)
    read = counterfactuals.read("cfs", data_dir=tmp_path, progress=False)
    scm, params = causal_jax.load(digits_run)
    drawn = [*draw_blocks(scm, params, jax.random.key(5), num=20, per_mask=2)]
    np.testing.assert_array_equal(read.labels["shape_label"], drawn[0].shape_labels)
    np.testing.assert_allclose(
        read.images / 127.5 - 1, np.clip(drawn[0].images, -1, 1), atol=1 / 127
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num": 5, "per_mask": 2}, "does not divide"),
        ({"num": 0, "per_mask": 1}, "at least 1"),
        ({"num": 4, "per_mask": 0}, "at least 1"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(digits_run, settings, message):
    with pytest.raises(ValueError, match=message):
        next(generate.blocks(str(digits_run), **settings, seed=0))


def test_a_model_without_parts_is_refused(run):
    with pytest.raises(ValueError, match="no counterfactual generative network"):
        next(generate.blocks(str(run), num=2, per_mask=1, seed=0))
