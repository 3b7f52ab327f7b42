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
        a node, NODE_factual and NODE_counterfactual. A word that a spreadsheet would
        run (it begins with = + - @ and is no number) stands behind an apostrophe, which
        --config=table and `tables.read_csv` leave out again; --raw_csv writes it as it
        is, for readers that do not
  .npz  an array a node; images uint8 [N, H, W, 3] named `image`; with --twin the arrays
        are the counterfactual's, and NODE_factual and NODE_counterfactual stand beside
  .png  a grid of pictures with their labels
Many units are drawn and written part by part, in the memory of a part; they are those
of one draw, but with --given (above 262,144 units, or 256 pictures, other draws of the
same law).
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from absl import flags

from causal_jax import encoding
from causal_jax import graph as graphs
from causal_jax.cli import assignments, sample_files
from causal_jax.queries import parts
from causal_jax.queries.draws import CHUNK, label_model
from causal_jax.runs.load import IMAGE, load
from causal_jax.scm import SCM


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
    flags.DEFINE_bool("raw_csv", False, "Writes = + - @ words without an apostrophe.")


def main(args: flags.FlagValues) -> None:
    """Samples and writes what the flags ask for."""
    sample_files.require_ending(Path(args.out))
    if args.raw_csv and Path(args.out).suffix != ".csv":
        raise ValueError("--raw_csv is of a .csv: leave it out, or name such an --out")
    scm, drawn = draw_parts(
        args.workdir,
        num=args.num,
        do=args.do,
        given=args.given,
        seed=args.seed,
        twin=args.twin,
        labels_only=Path(args.out).suffix == ".csv",
    )
    sample_files.write(args.out, scm, drawn, args.twin, raw_csv=args.raw_csv)
    print(f"wrote {args.num} units to {args.out}")
    print(next_step(args.workdir, scm, args.twin))


def next_step(workdir: str | Path, scm: SCM, twin: bool) -> str:
    """What a user may ask next."""
    where = assignments.as_flag("workdir", workdir)
    if twin and IMAGE in scm.nodes:
        return f"Next: causal-jax sheet {where} --node=all --out=sheets"
    if twin:
        return (
            f"Next: causal-jax counterfactual {where} --units=TABLE.csv "
            f"{assignments.suggested('do', scm, _cause(scm))} --out=imagined.csv"
        )
    return (
        f"Next: causal-jax sample {where} "
        f"{assignments.suggested('do', scm)} --twin --out=twins.csv"
    )


def _cause(scm: SCM) -> str | None:
    """The first label with another below it; None of independent ones."""
    causes = {parent for name in scm.discrete for parent in scm.parents[name]}
    return next((name for name in scm.discrete if name in causes), None)


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
    scm, found = draw_parts(
        workdir,
        num=num,
        do=do,
        given=given,
        seed=seed,
        twin=twin,
        labels_only=labels_only,
    )
    return scm, sample_files.joined(found)


def draw_parts(
    workdir: str | Path,
    *,
    num: int,
    do: str,
    given: str,
    seed: int,
    twin: bool,
    labels_only: bool = False,
) -> tuple[SCM, Iterator[dict[str, np.ndarray]]]:
    """`draw` in parts, each drawn when it is asked for."""
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
    size = parts.SIZE if labels_only or IMAGE not in scm.nodes else CHUNK
    ask = {"num": num, "do": do, "given": given, "size": size}
    key = jax.random.key(seed)
    if not twin:
        return scm, parts.sample(scm, params, key, **ask)
    return scm, map(_named_by_world, parts.twins(scm, params, key, **ask))


def _named_by_world(pair: tuple[dict, dict]) -> dict[str, np.ndarray]:
    return {
        f"{name}_{world}": value
        for world, values in zip(sample_files.WORLDS, pair, strict=True)
        for name, value in values.items()
    }


def _require_states(scm: SCM, flag: str, asked: dict[str, str]) -> None:
    """Refuses what is no label of the model, or no state of it, before any work."""
    for name, state in asked.items():
        graphs.require_node(scm.graph, name, role=f"label in --{flag}")
        if name == IMAGE:
            raise ValueError(
                f"--{flag} names {name!r}, which has no states: name a label, one of "
                f"{', '.join(scm.discrete[:8])}"
            )
        encoding.encode(scm, name, state)  # a number where the node has no states


def write(
    path: str | Path, scm: SCM, values: dict[str, np.ndarray], twin: bool
) -> None:
    """Writes samples in the format that the ending names, whole or not at all."""
    sample_files.write(path, scm, [values], twin)
