"""ImageNet (ILSVRC 2012) from the archives that image-net.org gives who registers.

    ILSVRC2012_img_train.tar    a tar of tars, n01440764.tar with n01440764_18.JPEG, ...
    ILSVRC2012_img_val.tar      ILSVRC2012_val_00000001.JPEG, ...; 50,000 in all

Read without TensorFlow and without unpacking anything to the disk. The labels of the
validation pictures lie beside tensorflow-datasets' builder, in the order of the
pictures' numbers. Pictures keep their bytes: the 22 in CMYK and the one PNG among them,
which tensorflow-datasets re-encodes, are converted when they are decoded.

Russakovsky et al. 2015, arXiv 1409.0575. For research; not to be passed on.
"""

import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from causal_jax.data import tfds
from causal_jax.messages import one_line

NAME = "imagenet2012"
FILES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar")
_CLASS_TAR = re.compile(r"(n\d{8})\.tar")
_TRAINING = re.compile(r"(n\d{8})_\d+\.JPEG")
_VALIDATION = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")
_MAX_PICTURE = 64 << 20  # bytes; ImageNet's largest has 15 MB

Examples = Iterator[tuple[str, dict]]


def splits(files: Mapping[str, Path]) -> dict[str, Examples]:
    """Returns {split: iterator of (key, example)} from the two archives."""
    train, validation = (files[name] for name in FILES)
    return {"train": _training(train), "validation": _validation(validation)}


def _training(path: Path) -> Examples:
    """The pictures of all classes; each is labelled by the tar that it lies in."""
    with _opened(path, path) as archive:
        for member in _members(path, archive, _CLASS_TAR):
            synset = member.name.removesuffix(".tar")
            inner = archive.extractfile(member)
            with _opened(path, inner, member.name) as pictures:
                for name, data in _pictures(path, pictures, _TRAINING):
                    yield name, _example(name, data, synset)


def _validation(path: Path) -> Examples:
    labels = tfds.text_beside_builder(NAME, "validation_labels.txt").split()
    with _opened(path, path) as archive:
        for name, data in _pictures(path, archive, _VALIDATION):
            number = int(_VALIDATION.fullmatch(name)[1])
            if not 1 <= number <= len(labels):
                raise ValueError(
                    f"{path}: {name} has no label, pictures are numbered 1 to "
                    f"{len(labels)}"
                )
            yield name, _example(name, data, labels[number - 1])


def _example(name: str, data: bytes, synset: str) -> dict:
    return {"file_name": name, "image": data, "label": synset}


def _opened(path: Path, source, within: str = "") -> tarfile.TarFile:
    """A tar, from a path or from a file that lies in another."""
    try:
        if isinstance(source, Path):
            return tarfile.open(source, mode="r:")
        return tarfile.open(fileobj=source, mode="r:")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise _damage(path, within, error) from error


def _pictures(
    path: Path, archive: tarfile.TarFile, pattern: re.Pattern
) -> Iterator[tuple[str, bytes]]:
    for member in _members(path, archive, pattern):
        if member.size > _MAX_PICTURE:
            raise ValueError(
                f"{path}: {member.name} is of {member.size:,} bytes, no picture of "
                f"ImageNet is larger than {_MAX_PICTURE:,}"
            )
        data = archive.extractfile(member).read()
        if len(data) != member.size:
            raise _damage(path, member.name, EOFError("it is cut off"))
        yield member.name, data


def _members(
    path: Path, archive: tarfile.TarFile, pattern: re.Pattern
) -> Iterator[tarfile.TarInfo]:
    """The files of a tar, whose names have to be of one kind."""
    try:
        for member in archive:
            if member.isdir():
                continue
            if not member.isfile() or not pattern.fullmatch(member.name):
                raise ValueError(
                    f"{path} holds {one_line(member.name, limit=100)!r}, which is no "
                    f"part of ImageNet: give the archives {' and '.join(FILES)} as "
                    "they come"
                )
            yield member
    except (tarfile.TarError, OSError, EOFError) as error:
        raise _damage(path, "", error) from error


def _damage(path: Path, within: str, error: Exception) -> ValueError:
    reason = one_line(error, limit=100)
    where = f" at {within}" if within else ""
    return ValueError(f"{path} is damaged{where} ({reason}): fetch it again")
