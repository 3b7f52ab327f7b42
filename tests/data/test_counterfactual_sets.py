import numpy as np
import pytest

from causal_jax.data import counterfactuals, labelled_pictures, streams, tfds
from causal_jax.data.counterfactuals import LABELS, Counterfactuals
from causal_jax.data.images import encoded_png


def blocks(seed=0, sizes=(5, 3), side=32):
    random = np.random.default_rng(seed)
    for size in sizes:
        images = random.integers(0, 256, (size, side, side, 3), np.uint8)
        labels = {name: random.integers(0, 10, size) for name in LABELS}
        yield Counterfactuals(images, labels)


def assert_equal_parts(read, parts):
    np.testing.assert_array_equal(read.images, np.concatenate([p[0] for p in parts]))
    for name in LABELS:
        wanted = np.concatenate([part.labels[name] for part in parts])
        np.testing.assert_array_equal(read.labels[name], wanted)


def test_what_is_written_is_read(tmp_path):
    path = counterfactuals.write(
        "twins", blocks(), description="a test", data_dir=tmp_path
    )
    assert path == tmp_path / "twins" / "1.0.0"
    read = counterfactuals.read("twins", data_dir=tmp_path, progress=False)
    assert_equal_parts(read, list(blocks()))


def test_other_programs_read_it(tmp_path):
    import tensorflow_datasets

    counterfactuals.write("twins", blocks(), description="a test", data_dir=tmp_path)
    builder = tensorflow_datasets.builder_from_directory(tmp_path / "twins/1.0.0")
    source = builder.as_data_source(split="train")
    first = next(blocks())
    assert len(source) == 8
    np.testing.assert_array_equal(source[0]["image"], first.images[0])
    assert source[0]["background_label"] == first.labels["background_label"][0]


def test_natural_pictures_have_their_size_and_the_names_of_their_classes(tmp_path):
    names = [f"n0{i}" for i in range(10)]
    settings = {"size": 20, "class_names": names, "data_dir": tmp_path}
    counterfactuals.write("cfs", blocks(side=20), description="a test", **settings)
    read = counterfactuals.read("cfs", size=20, data_dir=tmp_path, progress=False)
    assert_equal_parts(read, list(blocks(side=20)))
    for label in LABELS:
        found = labelled_pictures.classes("cfs", label=label, data_dir=tmp_path)
        assert found.names == tuple(names)


def test_a_stream_has_all_three_labels(tmp_path):
    counterfactuals.write("cfs", blocks(), description="a test", data_dir=tmp_path)
    settings = {"size": 32, "batch_size": 3, "labels": LABELS, "data_dir": tmp_path}
    parts = list(blocks())
    for resident_bytes in (0, 1 << 20):
        stream = streams.open_stream(
            "cfs", "train", resident_bytes=resident_bytes, progress=False, **settings
        )
        found = list(stream.once())
        images = np.concatenate([batch["image"] for batch in found])
        labels = {k: np.concatenate([batch[k] for batch in found]) for k in LABELS}
        assert_equal_parts(Counterfactuals(images, labels), parts)


def test_lossy_pictures_are_nearly_the_same(tmp_path):
    ramp = np.linspace(0, 255, 32).astype(np.uint8)
    images = np.broadcast_to(ramp[None, :, None, None], (4, 32, 32, 3))
    block = Counterfactuals(images, {name: np.arange(4) for name in LABELS})
    settings = {"description": "", "jpeg_quality": 90, "data_dir": tmp_path}
    counterfactuals.write("cfs", iter([block]), **settings)
    read = counterfactuals.read("cfs", data_dir=tmp_path, progress=False)
    error = np.abs(read.images.astype(int) - images).mean()
    assert 0 < error < 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"size": 16}, r"uint8 \[5, 32, 32, 3\]"), ({"num_classes": 2}, "within 0 to 1")],
)
def test_what_does_not_fit_is_not_written(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        counterfactuals.write(
            "cfs", blocks(), description="", data_dir=tmp_path, **settings
        )
    assert list(tmp_path.iterdir()) == []


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
