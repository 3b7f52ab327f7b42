r"""Samples a trained model: see, do, imagine.

    causal-jax sample --workdir=DIR --num=64 --out=seen.csv
    causal-jax sample --workdir=DIR --num=64 --do="Mustache=1,Bald=0" \
        --given="Male=0" --seed=0 --out=done.png
    causal-jax sample --workdir=DIR --do="Smiling=1" --twin --out=twins.npz

--do sets nodes, --given keeps the units (of the intervened world) that meet it, --twin
shows the same units without and with the intervention: one noise, two worlds; --given
then conditions the world without it. States are written by name, 0, 1, ... where they
have none; what holds a comma or = is quoted, --do='"Income, annual"="<=50K, low"'. The
ending of --out decides:
  .csv  a row a unit, header = label nodes, values their states; with --twin two columns
        a node, NODE_factual and NODE_counterfactual
  .npz  an array a node; images uint8 [N, H, W, 3] named `image`; with --twin the arrays
        are the counterfactual's, and NODE_factual and NODE_counterfactual stand beside
  .png  a grid of pictures with their labels
"""

import sys
import zipfile
from pathlib import Path

import jax
import numpy as np
from absl import flags

from causal_jax import arguments, files
from causal_jax import graph as graphs
from causal_jax.cli import assignments
from causal_jax.data import tables
from causal_jax.data.records import Table
from causal_jax.queries.draws import label_model
from causal_jax.reporting import grids, sheets
from causal_jax.runs.load import IMAGE, load
from causal_jax.scm import SCM

ENDINGS = (".csv", ".npz", ".png")


def define_flags() -> None:
    """Defines this command's flags."""
    flags.DEFINE_string("workdir", None, "Folder of a trained run.", required=True)
    flags.DEFINE_string(
        "out", None, "File to write: .csv, .npz or .png.", required=True
    )
    flags.DEFINE_integer("num", 64, "Number of units.")
    flags.DEFINE_string("do", "", 'Interventions, "Mustache=1,Bald=0".')
    flags.DEFINE_string("given", "", 'Conditions, "Male=0".')
    flags.DEFINE_integer("seed", 0, "Seed; the same seed gives the same noise.")
    flags.DEFINE_bool("twin", False, "The same units without and with --do.")


def main(args: flags.FlagValues) -> None:
    """Samples and writes what the flags ask for."""
    require_ending(Path(args.out))
    scm, values = draw(
        args.workdir,
        num=args.num,
        do=args.do,
        given=args.given,
        seed=args.seed,
        twin=args.twin,
        labels_only=Path(args.out).suffix == ".csv",
    )
    write(args.out, scm, values, args.twin)
    print(f"wrote {args.num} units to {args.out}")
    print(next_step(args.workdir, scm, args.twin))


def next_step(workdir: str | Path, scm: SCM, twin: bool) -> str:
    """What a user may ask next."""
    name = scm.discrete[-1] if scm.discrete else "LABEL"
    state = (scm.states(name) or ("STATE",))[-1] if scm.discrete else "STATE"
    if twin and IMAGE in scm.nodes:
        return f"Next: causal-jax sheet --workdir={workdir} --node=all --out=sheets"
    return (
        f'Next: causal-jax sample --workdir={workdir} --do="{name}={state}" --twin '
        "--out=twins.csv"
    )


def draw(
    workdir: str | Path,
    *,
    num: int,
    do: str,
    given: str,
    seed: int,
    twin: bool,
    labels_only: bool = False,
) -> tuple[SCM, dict[str, np.ndarray]]:
    """Samples a run: {node: array}; of twins {node_WORLD: array} of both worlds.

    With `labels_only` no picture is drawn. The labels are the same: the noise of a node
    depends on the seed and its name alone.

    Raises:
      ValueError: no run there, or a question that it cannot be asked.
    """
    if num < 1:
        raise ValueError(f"--num is {num}: ask for at least one unit")
    do, given = assignments.read(do, "do"), assignments.read(given, "given")
    if twin and not do:
        raise ValueError("--twin compares a world with --do to one without: give --do")
    scm, params = load(workdir)
    for flag, names in (("do", do), ("given", given)):
        _require_states(scm, flag, names)
    if labels_only:
        scm, params = label_model(scm, params)
    elif IMAGE in scm.nodes:
        print(f"drawing {num} pictures (a first call compiles) ...", file=sys.stderr)
    key = jax.random.key(seed)
    if not twin:
        values = scm.sample(params, key, num=num, do=do, given=given)
        return scm, {name: np.asarray(value) for name, value in values.items()}
    pair = scm.twins(params, key, num=num, do=do, given=given)
    values = {}
    for world, drawn in zip(("factual", "counterfactual"), pair, strict=True):
        values |= {f"{name}_{world}": np.asarray(v) for name, v in drawn.items()}
    return scm, values


def _require_states(scm: SCM, flag: str, asked: dict[str, str]) -> None:
    """Refuses what is no label of the model, or no state of it, before any work."""
    for name, state in asked.items():
        graphs.require_node(scm.graph, name, role=f"label in --{flag}")
        if name == IMAGE:
            raise ValueError(
                f"--{flag} names {name!r}, which has no states: name a label, one of "
                f"{', '.join(scm.discrete[:8])}"
            )
        arguments.encode(scm, name, state)  # a number where the node has no states


def write(
    path: str | Path, scm: SCM, values: dict[str, np.ndarray], twin: bool
) -> None:
    """Writes samples in the format that the ending names, whole or not at all."""
    path = Path(path)
    require_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    {".csv": _write_csv, ".npz": _write_npz, ".png": _write_png}[path.suffix](
        path, scm, values, twin
    )


def require_ending(path: Path) -> None:
    """Raises ValueError unless the file's ending says a known format."""
    if path.suffix not in ENDINGS:
        raise ValueError(f"--out={path} must end in {', '.join(ENDINGS)}")


def _write_csv(path: Path, scm: SCM, values: dict, twin: bool) -> None:
    worlds = ("_factual", "_counterfactual") if twin else ("",)
    names = [(n, n + world) for n in scm.discrete for world in worlds]
    table = Table(
        names=tuple(column for _, column in names),
        states={column: scm.states(name) for name, column in names},
        values=np.stack([values[column] for _, column in names], axis=-1),
    )
    tables.write_csv(path, table)


def _write_npz(path: Path, scm: SCM, values: dict, twin: bool) -> None:
    arrays = {
        name: grids.to_uint8(value)
        if name.startswith(IMAGE) and value.ndim == 4
        else value
        for name, value in values.items()
    }
    if twin:
        _refuse_names_of_worlds(scm, arrays)
        arrays |= {name: arrays[f"{name}_counterfactual"] for name in scm.nodes}
    # As np.savez does it, which has no room for nodes named like its own arguments.
    with (
        files.whole(path, "wb") as whole,
        zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def _refuse_names_of_worlds(scm: SCM, arrays: dict) -> None:
    both = [name for name in scm.nodes if name in arrays]
    if both:
        raise ValueError(
            f"--out: with --twin the array {both[0]!r} would be the node of that name "
            "and a world of another node: write --out=FILE.csv, where they differ"
        )


def _write_png(path: Path, scm: SCM, values: dict, twin: bool) -> None:
    if IMAGE not in scm.nodes:
        raise ValueError("this model has no images: write --out=FILE.csv or FILE.npz")
    if not twin:
        labels = {name: values[name] for name in scm.discrete}
        grids.save_png(path, sheets.labels_grid(values[IMAGE], labels, scm))
        return
    pictures, labels = [], {}
    worlds = [f"_{world}" for world in ("factual", "counterfactual")]
    pictures = np.stack([values[IMAGE + world] for world in worlds], axis=1)
    labels = {
        name: np.stack([values[name + world] for world in worlds], axis=1).ravel()
        for name in scm.discrete
    }
    flat = pictures.reshape(-1, *pictures.shape[2:])
    grids.save_png(path, sheets.labels_grid(flat, labels, scm))
