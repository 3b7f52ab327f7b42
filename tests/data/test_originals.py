"""Preparing from files fetched by hand: tiny ones, written and read back."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from causal_jax.data import celeba, originals, tfds

FILES = [f"{i:06}.jpg" for i in range(1, 7)]


@pytest.fixture
def manual(tmp_path):
    """Six pictures of one grey each; Male where the number is even."""
    folder = tmp_path / "manual"
    folder.mkdir()
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for i, file in enumerate(FILES):
            encoded = io.BytesIO()
            picture = np.full((218, 178, 3), 40 * i, np.uint8)
            Image.fromarray(picture).save(encoded, "JPEG")
            archive.writestr(f"img_align_celeba/{file}", encoded.getvalue())
    male = celeba.ATTRIBUTES.index("Male")
    lines = ["6", " ".join(celeba.ATTRIBUTES)]
    for i, file in enumerate(FILES):
        values = ["-1"] * 40
        values[male] = "1" if i % 2 == 0 else "-1"
        lines.append(f"{file}  " + " ".join(values))
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    partition = [f"{file} {i // 2}" for i, file in enumerate(FILES)]
    (folder / "list_eval_partition.txt").write_text("\n".join(partition) + "\n")
    return folder


def _idx(array):
    shape = np.array(array.shape, ">u4").tobytes()
    return bytes((0, 0, 8, array.ndim)) + shape + array.tobytes()


@pytest.fixture
def digits(tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    for name, num in (("train", 5), ("t10k", 3)):
        images = np.arange(num, dtype=np.uint8)[:, None, None] * 10
        images = np.broadcast_to(images, (num, 28, 28))
        labels = np.arange(num, dtype=np.uint8)
        packed = gzip.compress(_idx(images))
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(packed)
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(_idx(labels))
    return folder


def test_celeba_by_hand_reads_back(manual, tmp_path):
    data_dir = tmp_path / "data"
    path = originals.prepare("celeb_a", data_dir=data_dir, manual_dir=manual)
    assert path == data_dir / "celeb_a" / "2.1.0"
    assert [p.name for p in data_dir.iterdir()] == ["celeb_a"]
    for k, split in enumerate(celeba.SPLITS):
        data = celeba.images_from_tfds(
            "celeb_a", split, size=8, label_names=["Male"], data_dir=data_dir
        )
        found = {
            (round(float(image.mean()) / 40), int(male))
            for image, (male,) in zip(data.images, data.labels, strict=True)
        }
        assert found == {(2 * k, 1), (2 * k + 1, 0)}


def test_landmarks_identity_and_a_folder_of_pictures_are_taken(manual, tmp_path):
    with zipfile.ZipFile(manual / "img_align_celeba.zip") as archive:
        archive.extractall(manual)
    (manual / "img_align_celeba.zip").unlink()
    points = "".join(f"{f} {' '.join(map(str, range(10)))}\n" for f in FILES)
    header = " ".join(originals.LANDMARKS)
    (manual / "list_landmarks_align_celeba.txt").write_text(f"6\n{header}\n{points}")
    identities = "".join(f"{f} {i + 70}\n" for i, f in enumerate(FILES))
    (manual / "identity_CelebA.txt").write_text(identities)
    originals.prepare("celeb_a", data_dir=tmp_path / "data", manual_dir=manual)
    examples = tfds.source("celeb_a", "train", data_dir=tmp_path / "data")
    assert {e["identity"]["Identity_No"] for e in examples} == {70, 71}
    assert examples[0]["landmarks"]["rightmouth_y"] == 9


@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist"])
def test_idx_files_by_hand_read_back(digits, tmp_path, dataset):
    originals.prepare(dataset, data_dir=tmp_path, manual_dir=digits)
    for split, num in (("train", 5), ("test", 3)):
        examples = tfds.source(dataset, split, data_dir=tmp_path)
        assert sorted(e["label"] for e in examples) == list(range(num))
        assert all((e["image"] == 10 * e["label"]).all() for e in examples)
        assert examples[0]["image"].shape == (28, 28, 1)


def test_prepared_data_is_left_alone(manual, tmp_path, monkeypatch, capsys):
    data_dir = tmp_path / "data"
    path = originals.prepare("celeb_a", data_dir=data_dir, manual_dir=manual)
    before = {p: p.stat().st_mtime_ns for p in path.iterdir()}
    assert originals.prepare("celeb_a", data_dir=data_dir) == path
    assert {p: p.stat().st_mtime_ns for p in path.iterdir()} == before


def _refusal(dataset, **settings):
    with pytest.raises(ValueError) as raised:
        originals.prepare(dataset, **settings)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_bad_manual_files_are_refused_and_nothing_is_left(manual, digits, tmp_path):
    data_dir = tmp_path / "data"

    def refusal(dataset, folder):
        message = _refusal(dataset, data_dir=data_dir, manual_dir=folder)
        assert not data_dir.exists()
        return message

    assert "no folder" in refusal("celeb_a", tmp_path / "none")
    assert "lacks img_align_celeba.zip" in refusal("celeb_a", digits)
    assert "works for celeb_a, mnist" in refusal("cifar10", digits)
    pictures = manual / "img_align_celeba.zip"
    whole = pictures.read_bytes()
    at = whole.index(b"JFIF") + 200
    pictures.write_bytes(whole[:at] + b"x" * 50 + whole[at + 50 :])
    assert "damaged at img_align_celeba/000001.jpg" in refusal("celeb_a", manual)
    (manual / "list_eval_partition.txt").write_text("000001.jpg 0\n000009.jpg 0\n")
    assert "lacks 1 of the 2 pictures" in refusal("celeb_a", manual)
    (manual / "img_align_celeba.zip").write_bytes(b"PK cut off")
    assert "no whole zip" in refusal("celeb_a", manual)
    labels = digits / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1])
    assert "2 bytes where its header says 3" in refusal("mnist", digits)
    labels.write_bytes(_idx(np.zeros(2, np.uint8)))
    assert "do not fit" in refusal("mnist", digits)
    labels.write_bytes(b"<html>")
    assert "no idx file" in refusal("mnist", digits)


def test_refused_download_says_what_to_fetch_by_hand(tmp_path, monkeypatch):
    def refuse(url):
        raise OSError("quota exceeded")

    monkeypatch.setattr(tfds, "_require_answer", refuse)
    message = _refusal("celeb_a", data_dir=tmp_path / "data")
    assert "quota exceeded" in message and "img_align_celeba.zip" in message
    assert "--dataset=celeb_a" in message and "--manual_dir=" in message
    assert not (tmp_path / "data").exists()
    assert "quota" in _refusal("cifar10", data_dir=tmp_path / "data")
    assert "unknown data set" in _refusal("horses", data_dir=tmp_path / "data")
