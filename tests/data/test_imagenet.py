"""ImageNet's archives: tiny ones are prepared, read back and refused."""

import io
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from causal_jax.data import labelled_pictures, originals, streams, tfds

SYNSETS = ("n01440764", "n01443537", "n15075141")  # classes 0, 1 and 999


def _jpeg(level, mode="RGB"):
    encoded = io.BytesIO()
    Image.new(mode, (20, 12 + level), (10 * level,) * len(mode)).save(encoded, "JPEG")
    return encoded.getvalue()


def _tar(members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def _write(folder, train, validation):
    folder.mkdir()
    (folder / "ILSVRC2012_img_train.tar").write_bytes(_tar(train))
    (folder / "ILSVRC2012_img_val.tar").write_bytes(_tar(validation))
    return folder


def _train(changed=None):
    """Two pictures of each class; one is in CMYK."""
    return {
        f"{synset}.tar": _tar(
            {
                f"{synset}_{i}.JPEG": _jpeg(i, "CMYK" if i == 2 else "RGB")
                for i in (1, 2)
            }
        )
        for synset in SYNSETS
    } | (changed or {})


def _validation(numbers=(1, 2, 50_000)):
    return {f"ILSVRC2012_val_{i:08}.JPEG": _jpeg(i % 7) for i in numbers}


@pytest.fixture
def manual(tmp_path):
    return _write(tmp_path / "manual", _train(), _validation())


def prepare(folder, data_dir):
    return originals.prepare("imagenet2012", data_dir=data_dir, manual_dir=folder)


def test_the_archives_are_prepared_without_tensorflow(manual, tmp_path):
    path = prepare(manual, tmp_path / "data")
    assert path == tmp_path / "data/imagenet2012/5.1.0"
    names = labelled_pictures.classes("imagenet2012", data_dir=tmp_path / "data").names
    assert len(names) == 1000 and names[0] == SYNSETS[0] and names[999] == SYNSETS[2]
    train = tfds.source("imagenet2012", "train", data_dir=tmp_path / "data")
    found = {e["file_name"].decode(): int(e["label"]) for e in train}
    assert found == {f"{s}_{i}.JPEG": names.index(s) for s in SYNSETS for i in (1, 2)}
    assert "tensorflow" not in sys.modules


def test_validation_pictures_are_labelled_by_their_number(manual, tmp_path):
    """The first line of the list is n01751748, the second n09193705."""
    prepare(manual, tmp_path / "data")
    names = labelled_pictures.classes("imagenet2012", data_dir=tmp_path / "data").names
    source = tfds.source("imagenet2012", "validation", data_dir=tmp_path / "data")
    found = {e["file_name"].decode()[-13:-5]: names[int(e["label"])] for e in source}
    assert found["00000001"] == "n01751748" and found["00000002"] == "n09193705"
    assert len(found) == 3


def test_what_is_prepared_is_streamed_pictures_in_cmyk_too(manual, tmp_path):
    prepare(manual, tmp_path / "data")
    stream = streams.open_stream(
        "imagenet2012", "train", size=8, batch_size=6, crop="random",
        data_dir=tmp_path / "data",
    )  # fmt: skip
    batch = next(stream.batches())
    np.testing.assert_array_equal(np.sort(batch["label"]), [0, 0, 1, 1, 999, 999])


def _refusal(folder, tmp_path):
    with pytest.raises(ValueError) as raised:
        prepare(folder, tmp_path / "data")
    message = str(raised.value)
    assert "\n" not in message
    assert not (tmp_path / "data").exists()  # nothing is left behind
    return message


def test_archives_of_something_else_are_refused(tmp_path):
    odd = _write(tmp_path / "a", _train({"notes.txt": b"no tar"}), _validation())
    assert "holds 'notes.txt', which is no part of ImageNet" in _refusal(odd, tmp_path)
    inner = {f"{SYNSETS[0]}.tar": _tar({"../n01440764_1.JPEG": _jpeg(1)})}
    leaving = _write(tmp_path / "b", _train(inner), _validation())
    assert "holds '../n01440764_1.JPEG'" in _refusal(leaving, tmp_path)
    many = _write(tmp_path / "c", _train(), _validation([50_001]))
    assert "00050001.JPEG has no label" in _refusal(many, tmp_path)


def test_damaged_archives_are_refused(manual, tmp_path):
    train = manual / "ILSVRC2012_img_train.tar"
    whole = train.read_bytes()
    train.write_bytes(b"no tar at all" * 100)
    assert "train.tar is damaged" in _refusal(manual, tmp_path)
    train.write_bytes(whole[: len(whole) // 2])
    assert "train.tar is damaged" in _refusal(manual, tmp_path)
    train.unlink()
    said = _refusal(manual, tmp_path)
    assert "lacks ILSVRC2012_img_train.tar" in said


def test_without_the_archives_the_command_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"registers.*--manual_dir=THAT_FOLDER"):
        originals.prepare("imagenet2012", data_dir=tmp_path)
