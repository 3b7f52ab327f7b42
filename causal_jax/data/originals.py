"""The original files of public data sets, prepared once for tensorflow-datasets.

CelebA's lists and pictures and MNIST's idx files, fetched or put there by hand, and
ImageNet's archives, put there by hand, are written in tensorflow-datasets' layout
without TensorFlow; any other set of that library is prepared by its own code.
"""

import functools
import importlib.util
import math
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from causal_jax import archives
from causal_jax.data import celeba, imagenet, tfds
from causal_jax.data.images import encoded_png

_IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_PICTURES, _LIST = "img_align_celeba.zip", "list_attr_celeba.txt"
_PARTITION = "list_eval_partition.txt"
_LANDMARKS, _IDENTITY = "list_landmarks_align_celeba.txt", "identity_CelebA.txt"
FILES = {
    "celeb_a": (_PICTURES, _LIST, _PARTITION),
    **dict.fromkeys(("mnist", "fashion_mnist", "kmnist"), _IDX_FILES),
    imagenet.NAME: imagenet.FILES,
}
OPTIONAL_FILES = {"celeb_a": (_LANDMARKS, _IDENTITY)}
LANDMARKS = tuple(
    f"{point}_{axis}"
    for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
    for axis in "xy"
)
_MAX_IDX = 512 << 20  # bytes of an idx file; MNIST's largest has 47 MB
_MAX_DIRECTORY = 64 << 20  # bytes of the list of pictures; CelebA's has 15 MB
_MAX_PICTURE = 64 << 20
_UNSIGNED_BYTE = 8  # type code of the idx format (LeCun's MNIST page)


def prepare(
    dataset: str,
    *,
    data_dir: str | os.PathLike | None = None,
    manual_dir: str | os.PathLike | None = None,
) -> Path:
    """Prepares a data set unless it is there already.

    Args:
      dataset: a name that tensorflow-datasets knows.
      data_dir: where data sets lie; None takes $TFDS_DATA_DIR.
      manual_dir: files fetched by hand; None downloads.

    Returns:
      The directory of the prepared data set.

    Raises:
      ValueError: what is wrong and what would be right, in one line.
    """
    if tfds.is_prepared(dataset, data_dir):
        return tfds.dataset_dir(dataset, data_dir)
    if manual_dir is not None:
        files = find_files(dataset, Path(manual_dir))
        return tfds.write(dataset, lambda _: splits(dataset, files), data_dir=data_dir)
    if dataset == imagenet.NAME:
        raise ValueError(
            f"{dataset} is given to who registers at image-net.org; "
            f"{_by_hand(dataset, data_dir)}"
        )
    if dataset not in FILES:
        _warn_of_tensorflow(dataset)
        return tfds.download_and_prepare(dataset, data_dir=data_dir)
    try:
        read = functools.partial(splits, dataset)
        return tfds.write(dataset, read, data_dir=data_dir, download=True)
    except tfds.DownloadError as error:
        raise ValueError(f"{error}; {_by_hand(dataset, data_dir)}") from error


def _by_hand(dataset: str, data_dir: str | os.PathLike | None) -> str:
    return (
        f"fetch {', '.join(FILES[dataset])} into a folder and run: causal-jax prepare "
        f"--dataset={dataset} --data_dir={tfds.data_root(data_dir)} "
        "--manual_dir=THAT_FOLDER"
    )


def splits(dataset: str, files: Mapping[str, Path]) -> dict[str, Iterator]:
    """Returns {split: iterator of (key, example)} from the original files."""
    if dataset == imagenet.NAME:
        return imagenet.splits(files)
    return celeb_a_splits(files) if dataset == "celeb_a" else idx_splits(files)


def find_files(dataset: str, manual_dir: Path) -> dict[str, Path]:
    """Finds the files fetched by hand: {official name: path}.

    Raises:
      ValueError: the folder or files are missing (they are listed).
    """
    if dataset not in FILES:
        raise ValueError(
            f"--manual_dir works for {', '.join(FILES)}, not for {dataset!r}; leave it "
            "out to let tensorflow-datasets fetch the files"
        )
    if not manual_dir.is_dir():
        raise ValueError(f"there is no folder --manual_dir={manual_dir}")
    wanted = FILES[dataset] + OPTIONAL_FILES.get(dataset, ())
    found = {name: _find_in_any_form(manual_dir, name) for name in wanted}
    missing = [name for name in FILES[dataset] if found[name] is None]
    if missing:
        raise ValueError(
            f"{manual_dir} lacks {', '.join(missing)}; {dataset} is made of "
            f"{', '.join(FILES[dataset])}"
        )
    return {name: path for name, path in found.items() if path is not None}


def _find_in_any_form(folder: Path, name: str) -> Path | None:
    """The file under its official name, packed, unpacked, or as a folder."""
    stem = name.removesuffix(".gz").removesuffix(".zip").removesuffix(".txt")
    dotted = stem.replace("-idx", ".idx")  # as some mirrors write it
    forms = [name, f"{name}.gz", f"{name}.zip", f"{stem}.zip", stem, dotted]
    return next((folder / f for f in forms if (folder / f).exists()), None)


def celeb_a_splits(files: Mapping[str, Path]) -> dict[str, Iterator]:
    """Reads CelebA's own files; every listed picture must be there."""
    names, table = celeba.read_annotations(files[_LIST])
    rows = dict(zip(names, table.values, strict=True))
    partition = celeba.read_partition(files[_PARTITION])
    landmarks = _integers_by_file(files.get(_LANDMARKS), len(LANDMARKS))
    identity = _integers_by_file(files.get(_IDENTITY), 1)
    pictures = _picture_readers(files[_PICTURES])
    for what, existing in ((_LIST, rows), (_PICTURES, pictures)):
        missing = [file for file in partition if file not in existing]
        if missing:
            raise ValueError(
                f"{files[what]} lacks {len(missing)} of the {len(partition)} pictures "
                f"in {_PARTITION}: {', '.join(missing[:3])}; fetch it again"
            )

    def examples(split: str) -> Iterator[tuple[str, dict]]:
        for file in (f for f, s in partition.items() if s == split):
            attributes = zip(table.names, map(bool, rows[file]), strict=True)
            points = landmarks.get(file, [0] * len(LANDMARKS))
            yield (
                file,
                {
                    "image": pictures[file](),
                    "attributes": dict(attributes),
                    "landmarks": dict(zip(LANDMARKS, points, strict=True)),
                    "identity": {"Identity_No": identity.get(file, [0])[0]},
                },
            )

    return {s: examples(s) for s in celeba.SPLITS if s in partition.values()}


def _integers_by_file(path: Path | None, width: int) -> dict[str, list[int]]:
    """A list of file names and integers; a count and a header line are skipped."""
    numbers = {}
    for number, line in celeba.read_lines(path) if path else ():
        file, *cells = line.split()
        try:
            values = [int(cell) for cell in cells]
        except ValueError:
            values = []
        if len(values) == width:
            numbers[file] = values
        elif number > 2:
            raise ValueError(
                f"{path.name}, line {number}: {line[:40]!r} is not a file name and "
                f"{width} whole numbers"
            )
    return numbers


def _picture_readers(path: Path) -> dict[str, Callable[[], bytes]]:
    """{file name: function that reads it}, of a zip or a folder."""
    if path.is_dir():
        return {p.name: p.read_bytes for p in path.rglob("*.jpg")}
    try:
        archive = archives.open_zip(path, max_directory=_MAX_DIRECTORY)
    except archives.RefusedError as error:
        raise ValueError(f"{path} is refused: {error}") from error
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is no whole zip file; fetch it again") from error
    read = functools.partial(_read_from_zip, archive)
    jpegs = [i for i in archive.infolist() if i.filename.endswith(".jpg")]
    return {i.filename.split("/")[-1]: functools.partial(read, i) for i in jpegs}


def _read_from_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        return bytes(archives.read_member(archive, info, limit=_MAX_PICTURE))
    except archives.RefusedError as error:
        raise ValueError(f"{archive.filename} is refused: {error}") from error
    except Exception as error:  # of a damaged archive: any class
        raise ValueError(f"{archive.filename} is damaged at {info.filename}") from error


def idx_splits(files: Mapping[str, Path]) -> dict[str, Iterator]:
    """Reads MNIST's four idx files, of any length."""

    def examples(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, dict]]:
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield i, {"image": encoded_png(image), "label": int(label)}

    found = {}
    for i, split in enumerate(("train", "test")):
        images_file, labels_file = (files[name] for name in _IDX_FILES[2 * i :][:2])
        images, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
        if images.shape[1:] != (28, 28) or len(images) != len(labels):
            raise ValueError(
                f"{images_file.name} {images.shape} and {labels_file.name} "
                f"{labels.shape} do not fit; they must be [N, 28, 28] and [N]"
            )
        found[split] = examples(images, labels)
    return found


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Reads an idx file of bytes, gzipped or not: uint8 with `ndim` axes.

    Raises:
      ValueError: another format, or cut off.
    """
    try:
        data = archives.unpacked(path, path.read_bytes(), limit=_MAX_IDX)
    except OSError as error:
        raise ValueError(f"{path} is damaged ({error}); fetch it again") from error
    if data[:4] != bytes((0, 0, _UNSIGNED_BYTE, ndim)):
        raise ValueError(f"{path} is no idx file of bytes with {ndim} axes")
    if len(data) < 4 + 4 * ndim:
        raise ValueError(f"{path} ends in its header; fetch it again")
    shape = tuple(map(int, np.frombuffer(data, ">u4", count=ndim, offset=4)))
    body = np.frombuffer(data, np.uint8, offset=4 + 4 * ndim)
    if body.size != math.prod(shape):
        raise ValueError(
            f"{path} holds {body.size} bytes where its header says "
            f"{'x'.join(map(str, shape))}; fetch it again"
        )
    return body.reshape(shape)


def _warn_of_tensorflow(dataset: str) -> None:
    if tfds.is_known(dataset) and importlib.util.find_spec("tensorflow") is None:
        print(
            f"{dataset} is prepared by tensorflow-datasets' own code, which may need "
            "TensorFlow this once (pip install tensorflow); reading it never does."
        )
