"""Samples as files: .csv, .npz and .png, from parts that are never all in memory.

(A grid of pictures is: nobody looks at one of many.)
"""

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from causal_jax import archives, files
from causal_jax.data import tables
from causal_jax.data.records import Table
from causal_jax.reporting import grids, sheets
from causal_jax.runs.load import IMAGE
from causal_jax.scm import SCM

WORLDS = ("factual", "counterfactual")
Parts = Iterable[Mapping[str, np.ndarray]]


def write(
    path: str | Path, scm: SCM, parts: Parts, twin: bool, *, raw_csv: bool = False
) -> None:
    """Writes samples in the format that the ending names, whole or not at all.

    Args:
      path: .csv, .npz or .png; its folder is made.
      scm: the model.
      parts: {node: array}, or of twins {node_WORLD: array} of both worlds.
      twin: whether they are twins.
      raw_csv: writes words that a spreadsheet takes for formulas as they are.

    Raises:
      ValueError: another ending, or nothing that the format can show.
    """
    path = Path(path)
    require_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        tables.write_csv_parts(path, _label_tables(scm, parts, twin), raw=raw_csv)
    else:
        _WRITERS[path.suffix](path, scm, parts, twin)


def require_ending(path: Path) -> None:
    """Raises ValueError unless the file's ending says a known format."""
    if path.suffix not in ENDINGS:
        raise ValueError(f"--out={path} must end in {', '.join(ENDINGS)}")
    files.require_no_folder(path)


def _label_tables(scm: SCM, parts: Parts, twin: bool) -> Iterator[Table]:
    worlds = tuple(f"_{world}" for world in WORLDS) if twin else ("",)
    names = [(n, n + world) for n in scm.discrete for world in worlds]
    for values in parts:
        yield Table(
            names=tuple(column for _, column in names),
            states={column: scm.states(name) for name, column in names},
            values=np.stack([values[column] for _, column in names], axis=-1),
        )


# --- .npz ---------------------------------------------------------------------------


def _write_npz(path: Path, scm: SCM, parts: Parts, twin: bool) -> None:
    """Parts are kept on the disk, an array a file, until all are there."""
    for name in scm.nodes:
        if archives.leads_out(name):
            raise ValueError(
                f"--out: {name!r} is no name that an array of an .npz may have (it "
                "looks like a place outside): write --out=FILE.csv"
            )
    if twin:
        _refuse_names_of_worlds(scm)
    with tempfile.TemporaryDirectory(prefix=".causal_jax.", dir=path.parent) as folder:
        kept = _kept_on_disk(Path(folder), map(_as_written, parts))
        if twin:
            kept |= {name: kept[f"{name}_counterfactual"] for name in scm.nodes}
        with files.whole(path, "wb") as file:
            _write_archive(file, kept)


def _as_written(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: grids.to_uint8(value)
        if name.startswith(IMAGE) and value.ndim == 4
        else value
        for name, value in values.items()
    }


def _kept_on_disk(folder: Path, parts: Parts) -> dict[str, tuple[Path, dict]]:
    """{array: (file of its numbers, what its header says)}."""
    kept: dict[str, tuple[Path, dict]] = {}
    for values in parts:
        for name, array in values.items():
            if name not in kept:
                descr = np.lib.format.dtype_to_descr(array.dtype)
                header = {"descr": descr, "fortran_order": False}
                kept[name] = folder / str(len(kept)), {**header, "shape": None}
            path, header = kept[name]
            num = header["shape"][0] if header["shape"] else 0
            header["shape"] = (num + len(array), *array.shape[1:])
            with path.open("ab") as file:
                file.write(np.ascontiguousarray(array).data)
    return kept


def _write_archive(file, kept: dict[str, tuple[Path, dict]]) -> None:
    """As np.savez does it, which has no room for nodes named like its own arguments."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (path, header) in kept.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, header)
                with path.open("rb") as numbers:
                    shutil.copyfileobj(numbers, member)


def _refuse_names_of_worlds(scm: SCM) -> None:
    """Before anything is drawn."""
    arrays = {f"{name}_{world}" for name in scm.nodes for world in WORLDS}
    both = [name for name in scm.nodes if name in arrays]
    if both:
        raise ValueError(
            f"--out: with --twin the array {both[0]!r} would be the node of that name "
            "and a world of another node: write --out=FILE.csv, where they differ"
        )


# --- .png ---------------------------------------------------------------------------


def _write_png(path: Path, scm: SCM, parts: Parts, twin: bool) -> None:
    if IMAGE not in scm.nodes:
        raise ValueError("this model has no images: write --out=FILE.csv or FILE.npz")
    values = joined(parts)
    if not twin:
        labels = {name: values[name] for name in scm.discrete}
        grids.save_png(path, sheets.labels_grid(values[IMAGE], labels, scm))
        return
    worlds = [f"_{world}" for world in WORLDS]
    pictures = np.stack([values[IMAGE + world] for world in worlds], axis=1)
    labels = {
        name: np.stack([values[name + world] for world in worlds], axis=1).ravel()
        for name in scm.discrete
    }
    flat = pictures.reshape(-1, *pictures.shape[2:])
    grids.save_png(path, sheets.labels_grid(flat, labels, scm))


def joined(parts: Parts) -> dict[str, np.ndarray]:
    """The parts as one."""
    found = list(parts)
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


_WRITERS: dict[str, Callable] = {".npz": _write_npz, ".png": _write_png}
ENDINGS = (".csv", *_WRITERS)
