"""What is read of a set that does not fit into memory."""

from types import SimpleNamespace

import numpy as np
import tensorflow_datasets

from causal_jax.data import streams, tfds
from causal_jax.data.images import encoded_png
from causal_jax.recipes.imagenet import data, measures

NUM = 40


def _write(data_dir):
    """Each picture's one colour is its number."""
    picture = tensorflow_datasets.features.Image(shape=(8, 8, 3), encoding_format="png")
    records = [
        (i, {"image": encoded_png(np.full((8, 8, 3), i, np.uint8)), "label": i % 2})
        for i in range(NUM)
    ]
    tfds.write_new(
        "large",
        {"image": picture, "label": tfds.label(2)},
        lambda: {"train": iter(records), "test": iter(records[:6])},
        description="a test",
        data_dir=data_dir,
    )


def test_of_a_set_that_does_not_fit_a_part_is_drawn_at_random(
    tmp_path, monkeypatch, capsys
):
    _write(tmp_path)
    kept = 3 * 8 * 8 * 20  # twenty pictures, of the test split all
    monkeypatch.setattr(measures, "_MOST_BYTES", kept)

    def open_split(config, split, batch_size, *, size):
        return streams.open_stream(
            "large",
            split,
            size=size,
            batch_size=batch_size,
            data_dir=tmp_path,
            resident_bytes=kept,
            progress=False,
        )

    monkeypatch.setattr(data, "open_split", open_split)
    config = SimpleNamespace(train_split="train", validation_split="test")
    training, held_out = measures.rows(SimpleNamespace(config=config), 8)
    numbers = training.images[:, 0, 0, 0]
    assert len(set(numbers.tolist())) == 20 and numbers.max() >= 20
    np.testing.assert_array_equal(training.labels, numbers % 2)
    assert (training.images == numbers[:, None, None, None]).all()
    assert held_out.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    said = capsys.readouterr().out
    assert "of 40 pictures of large, split train, 20 are drawn at random" in said
