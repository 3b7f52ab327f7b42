import numpy as np
import pytest

from causal_jax.data import counterfactuals, tfds
from causal_jax.data.counterfactuals import LABELS, Counterfactuals
from causal_jax.data.images import encoded_png


def blocks(seed=0, sizes=(5, 3)):
    random = np.random.default_rng(seed)
    for size in sizes:
        images = random.integers(0, 256, (size, 32, 32, 3), np.uint8)
        labels = {name: random.integers(0, 10, size) for name in LABELS}
        yield Counterfactuals(images, labels)


def test_what_is_written_is_read(tmp_path):
    path = counterfactuals.write(
        "twins", blocks(), description="a test", data_dir=tmp_path
    )
    assert path == tmp_path / "twins" / "1.0.0"
    read = counterfactuals.read("twins", data_dir=tmp_path, progress=False)
    parts = list(blocks())
    np.testing.assert_array_equal(read.images, np.concatenate([p[0] for p in parts]))
    for name in LABELS:
        wanted = np.concatenate([part.labels[name] for part in parts])
        np.testing.assert_array_equal(read.labels[name], wanted)


def test_other_programs_read_it(tmp_path):
    import tensorflow_datasets

    counterfactuals.write("twins", blocks(), description="a test", data_dir=tmp_path)
    builder = tensorflow_datasets.builder_from_directory(tmp_path / "twins/1.0.0")
    source = builder.as_data_source(split="train")
    first = next(blocks())
    assert len(source) == 8
    np.testing.assert_array_equal(source[0]["image"], first.images[0])
    assert source[0]["background_label"] == first.labels["background_label"][0]


def test_nothing_is_left_when_drawing_fails(tmp_path):
    def broken():
        yield next(blocks())
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        counterfactuals.write(
            "twins", broken(), description="a test", data_dir=tmp_path
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mnist", "Twins", "my twins", ""])
def test_a_name_that_cannot_be(name, tmp_path):
    with pytest.raises(ValueError, match="small letters"):
        counterfactuals.write(name, blocks(), description="", data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_set_is_not_overwritten(tmp_path):
    counterfactuals.write("twins", blocks(), description="", data_dir=tmp_path)
    with pytest.raises(ValueError, match="is there"):
        counterfactuals.write("twins", blocks(), description="", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("side", "label", "message"),
    [
        (4, 0, "causal-jax generate"),
        (32, 11, "11 to 11: name a set whose labels are 0 to 9"),
    ],
)
def test_a_set_of_another_kind(side, label, message, tmp_path):
    labels = {name: tfds.label(12) for name in LABELS}
    picture = encoded_png(np.zeros((side, side, 3), np.uint8))
    example = {"image": picture} | dict.fromkeys(LABELS, label)
    tfds.write_new(
        "other",
        {"image": tfds.picture(side, side, 3)} | labels,
        lambda: {"train": iter([(0, example)])},
        description="",
        data_dir=tmp_path,
    )
    with pytest.raises(ValueError, match=message):
        counterfactuals.read("other", data_dir=tmp_path, progress=False)
