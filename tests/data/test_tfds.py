"""Directories in tensorflow-datasets' layout: read by name, absence explained."""

import io
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from causal_jax.data import celeba, tfds

NUM = 5


def _jpeg(level):
    encoded = io.BytesIO()
    Image.fromarray(np.full((218, 178, 3), level, np.uint8)).save(encoded, "JPEG")
    return encoded.getvalue()


def _examples(_):
    def one(i):
        return {
            "image": _jpeg(40 * i),
            "attributes": dict.fromkeys(celeba.ATTRIBUTES, i % 2 == 0),
            "landmarks": {
                f"{p}_{axis}": i
                for p in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
                for axis in "xy"
            },
            "identity": {"Identity_No": i},
        }

    return {"train": ((f"{i}.jpg", one(i)) for i in range(NUM))}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("tfds")
    tfds.write("celeb_a", _examples, data_dir=root)
    return root


@pytest.fixture
def copied(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "data")


def test_written_examples_read_back_without_tensorflow(prepared):
    before = "tensorflow" in sys.modules
    opened = tfds.source("celeb_a", "train", data_dir=prepared)
    assert len(opened) == NUM
    for example in (opened[i] for i in range(NUM)):
        i = example["identity"]["Identity_No"]
        assert example["image"].shape == (218, 178, 3)
        assert abs(int(example["image"].mean()) - 40 * i) <= 2
        assert example["attributes"]["Male"] == (i % 2 == 0)
    skipped = tfds.source("celeb_a", "train", data_dir=prepared, skip_images=True)
    assert skipped[0]["image"].startswith(b"\xff\xd8")
    assert ("tensorflow" in sys.modules) == before


def test_source_feeds_grain(prepared):
    grain = pytest.importorskip("grain")
    opened = tfds.source("celeb_a", "train", data_dir=prepared)
    dataset = grain.MapDataset.source(opened).map(lambda e: e["image"].mean())
    assert len(list(dataset)) == NUM


def test_records_agree_with_source(prepared):
    keys = ["attributes/Bald", "identity/Identity_No", "image"]
    records = tfds.Records("celeb_a", "train", keys, data_dir=prepared)
    opened = tfds.source("celeb_a", "train", data_dir=prepared, skip_images=True)
    assert len(records) == NUM
    for (bald, identity, image), example in zip(records, opened, strict=True):
        assert bald == example["attributes"]["Bald"]
        assert identity == example["identity"]["Identity_No"]
        assert image == example["image"]
    assert [records[i] for i in range(NUM)] == list(records)
    limited = tfds.Records("celeb_a", "train", keys, data_dir=prepared, limit=2)
    assert len(limited) == len(list(limited)) == 2


def test_pictures_are_cut_to_the_central_square(prepared):
    data = celeba.images_from_tfds(size=16, data_dir=prepared, progress=False)
    assert data.images.shape == (NUM, 16, 16, 3)
    labels = celeba.labels_from_tfds(data_dir=prepared, progress=False)
    assert labels.names == celeba.ATTRIBUTES
    np.testing.assert_array_equal(labels.values, data.labels)
    even = data.images.mean(axis=(1, 2, 3)).round() % 80 < 5
    np.testing.assert_array_equal(data.labels[:, 20], even)


def test_environment_names_the_data_directory(prepared, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    assert len(tfds.source("celeb_a", "train")) == NUM


def test_highest_version_is_read_and_half_written_ones_are_not(copied):
    home = copied / "celeb_a"
    (home / "incomplete.X_9.0.0").mkdir()
    (home / "10.0.0").mkdir()  # no dataset_info.json: not whole
    assert tfds.dataset_dir("celeb_a", copied).name == "2.1.0"
    assert tfds.dataset_dir("celeb_a:2.1.0", copied).name == "2.1.0"
    with pytest.raises(ValueError, match="no version 9.0.0; it has 2.1.0"):
        tfds.dataset_dir("celeb_a:9.0.0", copied)


def _refusal(*args, **settings):
    with pytest.raises(ValueError) as raised:
        tfds.source(*args, **settings)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_absent_data_names_the_command_that_prepares_it(tmp_path):
    command = "causal-jax prepare --dataset=celeb_a --data_dir="
    missing = _refusal("celeb_a", "train", data_dir=tmp_path / "none")
    assert "does not exist" in missing and command in missing
    empty = _refusal("celeb_a", "train", data_dir=tmp_path)
    assert "holds no celeb_a" in empty and f"{command}{tmp_path}" in empty
    (tmp_path / "celeb_a" / "2.1.0").mkdir(parents=True)
    incomplete = _refusal("celeb_a", "train", data_dir=tmp_path)
    assert "empty or incomplete" in incomplete and command in incomplete


def test_damaged_data_is_refused(copied):
    home = copied / "celeb_a" / "2.1.0"
    shard = next(home.glob("*array_record*"))
    kept = shard.read_bytes()
    shard.unlink()
    assert "is missing" in _refusal("celeb_a", "train", data_dir=copied)
    shard.write_bytes(kept)
    (home / "dataset_info.json").write_text("{")
    assert "cannot be read" in _refusal("celeb_a", "train", data_dir=copied)


def test_unknown_names_are_refused_with_the_nearest(prepared):
    split = _refusal("celeb_a", "trian", data_dir=prepared)
    assert "did you mean 'train'" in split
    assert "no split" in _refusal("celeb_a", "train[:x%]", data_dir=prepared)
    assert "did you mean 'celeb_a'" in _refusal("celb_a", "train", data_dir=prepared)
    with pytest.raises(ValueError, match="no feature 'picture'"):
        tfds.Records("celeb_a", "train", ["picture"], data_dir=prepared)
    with pytest.raises(ValueError, match="limit=0"):
        tfds.Records("celeb_a", "train", ["image"], data_dir=prepared, limit=0)
    with pytest.raises(ValueError, match=r"no label 'Mail'.*did you mean 'Male'"):
        celeba.labels_from_tfds(label_names=["Mail"], data_dir=prepared)


def test_failed_write_leaves_nothing_behind(tmp_path):
    def broken(_):
        def examples():
            yield from list(_examples(None)["train"])[:2]
            raise ValueError("cut off")

        return {"train": examples()}

    root = tmp_path / "data"
    with pytest.raises(ValueError, match="cut off"):
        tfds.write("celeb_a", broken, data_dir=root)
    assert not root.exists()
