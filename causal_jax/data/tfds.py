"""Data sets in tensorflow-datasets' layout, read and written without TensorFlow.

This is the library's only import of tensorflow_datasets. A data set is found by its
directory (`DIR/name[/config]/version/`), not by a builder class, so that directories
made by anybody can be read by name.

Two ways of reading: `source` is a random-access sequence of decoded examples, which
Grain takes as it is (`grain.MapDataset.source(source(...))`); `Records` walks over a
split once and hands out a few fields, encoded pictures included. The second parses
only what is asked for and is 3 to 10 times faster (one core: 24,000 rows of labels a
second against 2,700; 7,400 small pictures against 2,100), so that a data set that fits
in memory is best loaded with it. Threads do not help: parsing holds the lock.
"""

import os
import re
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_pb2

from causal_jax.data import directories
from causal_jax.graph import suggestion

_BLOCK = 256  # records a read; larger reads measured no faster


class DownloadError(ValueError):
    """The public files of a data set could not be fetched."""


def data_root(data_dir: str | os.PathLike | None = None) -> Path:
    """Returns `data_dir`, else $TFDS_DATA_DIR, else tensorflow-datasets' default."""
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR") or tfds.core.constants.DATA_DIR
    return Path(chosen).expanduser()


def dataset_dir(name: str, data_dir: str | os.PathLike | None = None) -> Path:
    """Returns the directory of a prepared data set, in its highest version.

    Args:
      name: e.g. "celeb_a", "emnist/balanced" or, for one version, "celeb_a:2.1.0".
      data_dir: see `data_root`.

    Raises:
      ValueError: it is not there or not whole; the message says how to prepare it.
    """
    root, base = data_root(data_dir), name.partition(":")[0]
    return directories.find(root, name, is_known=is_known(base))


def is_prepared(name: str, data_dir: str | os.PathLike | None = None) -> bool:
    """Whether the data set is there and whole."""
    try:
        _whole_builder(name, data_dir)
    except ValueError:
        return False
    return True


def features(name: str, *, data_dir: str | os.PathLike | None = None) -> Mapping:
    """Returns the features of one example, by name (nested as the examples are)."""
    return _whole_builder(name, data_dir).info.features


def source(
    name: str,
    split: str,
    *,
    data_dir: str | os.PathLike | None = None,
    skip_images: bool = False,
) -> Sequence[dict]:
    """Opens a split as a random-access sequence of examples.

    Args:
      name: a data set's name, see `dataset_dir`.
      split: "train", "test[:10%]", ... as tensorflow-datasets spells them.
      data_dir: see `data_root`.
      skip_images: leaves pictures encoded (bytes), which is faster.

    Returns:
      A sequence with `len` and `[i]`, each item a dict of NumPy values; Grain reads it
      with `grain.MapDataset.source`.

    Raises:
      ValueError: a missing or damaged data set, or an unknown split.
    """
    builder = _whole_builder(name, data_dir)
    decoders = None
    if skip_images:
        features = builder.info.features
        pictures = {key for key, feature in features.items() if is_picture(feature)}
        decoders = {key: tfds.decode.SkipDecoding() for key in pictures}
    return _open_split(builder, split, decoders=decoders)


@dataclass(frozen=True)
class Records:
    """One pass over a split that reads only some fields.

    Attributes:
      name: a data set's name, see `dataset_dir`.
      split: the split, see `source`.
      keys: the scalar fields to read, flat: "image", "attributes/Male". A picture comes
        as its encoded bytes, a number as int or float.
      data_dir: see `data_root`.
      limit: reads the first `limit` examples only.
    """

    name: str
    split: str
    keys: Sequence[str]
    data_dir: str | os.PathLike | None = None
    limit: int | None = None

    def __post_init__(self):
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit={self.limit} reads nothing; use 1 or more")
        existing = _flat_feature_names(features(self.name, data_dir=self.data_dir))
        for key in self.keys:
            if key not in existing:
                raise ValueError(
                    f"data set {self.name!r} has no feature {key!r}; "
                    f"{suggestion(key, existing)}"
                )
        object.__setattr__(self, "_source", self._open_encoded())

    def _open_encoded(self) -> Sequence[bytes]:
        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        builder = _whole_builder(self.name, self.data_dir)
        return _open_split(builder, self.split, deserialize_method=raw)

    def __len__(self) -> int:
        total = len(self._source)
        return total if self.limit is None else min(total, self.limit)

    def __iter__(self) -> Iterator[list]:
        """Yields, example by example, the values of `keys`."""
        for start in range(0, len(self), _BLOCK):
            block = range(start, min(start + _BLOCK, len(self)))
            for record in self._source.__getitems__(list(block)):
                yield self._values_of(record)

    def __getitem__(self, index: int) -> list:
        """The values of `keys` of one example, 0 <= index < len."""
        return self._values_of(self._source[index])

    def _values_of(self, record: bytes) -> list:
        fields = tf_example_pb2.Example.FromString(bytes(record)).features.feature
        return [_scalar_of_field(fields[key]) for key in self.keys]


def write(
    name: str,
    splits_fn: Callable[[dict[str, Path]], dict[str, Iterator[tuple[Any, dict]]]],
    *,
    data_dir: str | os.PathLike | None = None,
    download: bool = False,
) -> Path:
    """Prepares a data set that tensorflow-datasets knows, with readers of our own.

    The features, version, order of examples and file layout are those of
    tensorflow-datasets; only its parsing of the original files is replaced, which for
    some data sets needs TensorFlow. Nothing is left behind when it fails.

    Args:
      name: the data set, e.g. "celeb_a".
      splits_fn: takes {file name: path} of the downloaded files (empty without
        `download`) and returns {split: iterator of (key, example)}.
      data_dir: see `data_root`.
      download: fetches the public files first, into `data_dir/downloads`.

    Returns:
      The directory that was written.

    Raises:
      DownloadError: the files cannot be fetched.
      ValueError: whatever `splits_fn` refuses.
    """
    known = tfds.builder_cls(name)

    class Prepared(known, skip_registration=True):
        """The known builder with other readers."""

        __module__ = known.__module__  # where its checksums and metadata lie
        name = known.name

        def _split_generators(self, dl_manager):
            return splits_fn(_download_files(self, dl_manager) if download else {})

    return _prepare_or_remove(Prepared, data_root(data_dir), keep_downloads=download)


def write_new(
    name: str,
    features: Mapping[str, Any],
    splits_fn: Callable[[], dict[str, Iterator[tuple[Any, dict]]]],
    *,
    description: str,
    about: Mapping[str, Any] | None = None,
    data_dir: str | os.PathLike | None = None,
) -> Path:
    """Writes a data set of our own, which reads by its name like any other.

    Nothing is left behind when it fails. Examples keep their order.

    Args:
      name: small letters, digits and `_`.
      features: {name: feature}, see `picture` and `label`; pictures come as encoded
        bytes.
      splits_fn: returns {split: iterator of (int key, example)}.
      description: what it is and how it was made.
      about: JSON values that `about` reads again; None for none.
      data_dir: see `data_root`.

    Returns:
      The directory that was written.

    Raises:
      ValueError: a name that tensorflow-datasets knows or cannot have, or one that is
        there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or is_known(name):
        raise ValueError(
            f"a data set of your own cannot be named {name!r}: use small letters, "
            "digits and _, and no name that tensorflow-datasets has"
        )
    root = data_root(data_dir)
    if (root / name).exists():
        raise ValueError(f"{root / name} is there: choose another name or delete it")
    own_name = name

    class Written(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """A builder of given examples."""

        name = own_name
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                description=description,
                features=tfds.features.FeaturesDict(dict(features)),
                disable_shuffling=True,
                metadata=tfds.core.MetadataDict(about) if about else None,
            )

        def _split_generators(self, dl_manager):
            return splits_fn()

        def _generate_examples(self):
            raise NotImplementedError

    return _prepare_or_remove(Written, root, keep_downloads=False)


def picture(height: int, width: int, channels: int, encoding: str = "png") -> Any:
    """A feature: a picture, lossless unless `encoding` is "jpeg"."""
    shape = (height, width, channels)
    return tfds.features.Image(shape=shape, encoding_format=encoding)


def label(num_classes: int, names: Sequence[str] | None = None) -> Any:
    """A feature: a class in 0 .. num_classes - 1, with names where there are some."""
    if names is not None:
        return tfds.features.ClassLabel(names=list(names))
    return tfds.features.ClassLabel(num_classes=num_classes)


def is_picture(feature: Any) -> bool:
    """Whether a feature is a picture."""
    return isinstance(feature, tfds.features.Image)


def is_label(feature: Any) -> bool:
    """Whether a feature is a class."""
    return isinstance(feature, tfds.features.ClassLabel)


def download_and_prepare(
    name: str, *, data_dir: str | os.PathLike | None = None
) -> Path:
    """Prepares a data set with tensorflow-datasets' own code, as array_record.

    Raises:
      ValueError: an unknown data set, one that needs TensorFlow, or what went wrong.
    """
    root = data_root(data_dir)
    base, _, config = name.partition("/")
    if not is_known(base):
        raise ValueError(directories.absence(root, base, is_known=False))
    settings = {"config": config} if config else {}
    try:
        known = tfds.builder_cls(base)
        _require_answer(next(iter(known.url_infos or ()), None))
        return _prepare_or_remove(known, root, keep_downloads=True, **settings)
    except ImportError as error:
        raise ValueError(
            f"preparing {name!r} needs {error.name} once (reading it does not): "
            f"pip install {error.name}"
        ) from error
    except Exception as error:  # of tensorflow-datasets: many classes, many lines
        raise ValueError(f"{name!r} was not prepared: {_first_line(error)}") from error


def text_beside_builder(name: str, file: str) -> str:
    """A text that tensorflow-datasets keeps beside the builder of a data set."""
    module = sys.modules[tfds.builder_cls(name).__module__]
    return (Path(module.__file__).parent / file).read_text(encoding="utf-8")


def splits(name: str, *, data_dir: str | os.PathLike | None = None) -> tuple[str, ...]:
    """Names of the prepared splits of a data set."""
    return tuple(_whole_builder(name, data_dir).info.splits)


def about(name: str, *, data_dir: str | os.PathLike | None = None) -> dict[str, Any]:
    """What `write_new` was told about a data set; empty where it was told nothing."""
    return dict(_whole_builder(name, data_dir).info.metadata or {})


def require_split(
    name: str, split: str, *, data_dir: str | os.PathLike | None = None
) -> None:
    """Raises ValueError unless a split, or a part of one, can be opened."""
    _open_split(_whole_builder(name, data_dir), split)


def is_known(name: str) -> bool:
    """Whether tensorflow-datasets itself knows how to prepare the data set."""
    return name.partition("/")[0] in tfds.list_builders(with_community_datasets=False)


def _prepare_or_remove(
    builder_class: type, root: Path, *, keep_downloads: bool, **settings
) -> Path:
    downloads, home = root / "downloads", root / builder_class.name
    before = (
        {root, *_path_and_below(home), *_path_and_below(downloads)}
        if root.exists()
        else set()
    )
    builder = builder_class(data_dir=root, file_format="array_record", **settings)
    path = Path(builder.data_dir)
    if path.exists():  # tensorflow-datasets would take it for prepared
        raise ValueError(f"{path} is incomplete or of another format; delete it first")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            builder.download_and_prepare(
                download_dir=downloads if keep_downloads else scratch,
                download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            )
        except BaseException:
            cut_off = [p for p in _path_and_below(downloads) if ".tmp." in p.as_posix()]
            _remove_new([*cut_off, *_path_and_below(home)], before)
            raise
        finally:
            _remove_new([p for p in _path_and_below(downloads) if p.is_dir()], before)
            _remove_new([root], before)
    return path


def _path_and_below(path: Path) -> list[Path]:
    """The path and everything below it, children before parents."""
    return [*sorted(path.rglob("*"), reverse=True), path] if path.exists() else []


def _remove_new(paths: Sequence[Path], before: set[Path]) -> None:
    """Removes files, and directories that are empty, unless they were there before."""
    for path in (p for p in paths if p not in before):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif path.is_file():
            path.unlink()


def _download_files(builder: Any, manager: Any) -> dict[str, Path]:
    """Fetches every public file of the data set: {file name: path}."""
    urls = {info.filename: url for url, info in builder.url_infos.items()}
    try:
        _require_answer(next(iter(urls.values())))
        return {key: Path(path) for key, path in manager.download(urls).items()}
    except Exception as error:  # any network's refusal, in many classes
        raise DownloadError(
            f"the files of {builder.name} cannot be downloaded ({_first_line(error)})"
        ) from error


def _require_answer(url: str | None) -> None:
    """Raises unless the host answers (the downloader itself retries for minutes)."""
    if url is None:
        return
    try:
        urllib.request.urlopen(url, timeout=20).close()
    except urllib.error.HTTPError:
        return  # it answers; what it refuses, the downloader tells better


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]


def _whole_builder(name: str, data_dir: str | os.PathLike | None) -> Any:
    path = dataset_dir(name, data_dir)
    try:
        builder = tfds.builder_from_directory(path)
        splits = builder.info.splits.values()
        shards = [Path(file) for split in splits for file in split.filepaths]
    except Exception as error:  # of tensorflow-datasets: many classes, many lines
        raise ValueError(
            directories.damage(path, "its metadata cannot be read")
        ) from error
    missing = [shard.name for shard in shards if not shard.exists()]
    if missing or not shards:
        reason = f"{missing[0]} is missing" if missing else "it has no splits"
        raise ValueError(directories.damage(path, reason))
    return builder


def _open_split(builder: Any, split: str, **settings) -> Sequence:
    try:
        return builder.as_data_source(split=split, **settings)
    except NotImplementedError as error:
        raise ValueError(
            f"{builder.data_dir} is in a format without random access; prepare it "
            f"elsewhere with: {directories.command(builder.name, 'OTHER_DIR')}"
        ) from error
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"data set {builder.name!r} has no split {split!r}; "
            f"{suggestion(split.partition('[')[0], builder.info.splits)} "
            "(parts are written like 'train[:10%]')"
        ) from error


def _flat_feature_names(tree: Mapping, prefix: str = "") -> list[str]:
    flat = []
    for key, feature in tree.items():
        nested = isinstance(feature, tfds.features.FeaturesDict)
        if nested:
            flat += _flat_feature_names(feature, f"{prefix}{key}/")
        else:
            flat.append(prefix + key)
    return flat


def _scalar_of_field(field: Any) -> Any:
    kind = field.WhichOneof("kind")
    return getattr(field, kind).value[0]
