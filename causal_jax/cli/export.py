r"""Writes a trained model as a file that samples without this library.

    causal-jax export --workdir=DIR --out=model.zip
    causal-jax export --workdir=DIR --out=model.zip --platforms=cuda

The file holds compiled-to-be programs (jax.export) for seeing, doing and imagining any
number of units on a CPU, a CUDA GPU and a TPU, the parameters, and a receipt: graph,
state names, the run's config, versions, hashes and this command. Read it with

    model = causal_jax.export.load("model.zip")
    model.do({"Mustache": "1"}, num=8, seed=0)["image"]

or, on a machine with jax alone, with the loader in docs/export.md. JAX reads such
files for about half a year; then run the receipt's command again.
"""

import shlex
import sys
from pathlib import Path

from absl import flags

from causal_jax import files
from causal_jax.runs import export, folder
from causal_jax.runs.load import load


def define_flags() -> None:
    """Defines this command's flags."""
    flags.DEFINE_string("workdir", None, "Folder of a trained run.", required=True)
    flags.DEFINE_string("out", None, "File to write.", required=True)
    flags.DEFINE_list("platforms", list(export.PLATFORMS), "Where it shall run.")


def main(args: flags.FlagValues) -> None:
    """Exports the run that the flags name."""
    files.require_no_folder(args.out)
    scm, params = load(args.workdir)
    print("lowering the programs (a minute for pictures) ...", file=sys.stderr)
    receipt = export.save(
        args.out,
        scm,
        params,
        platforms=args.platforms,
        config=folder.read_config(args.workdir),
        command=command(args.workdir, args.out, args.platforms),
    )
    size = Path(args.out).stat().st_size / 1e6
    print(f"wrote {args.out}, {size:.1f} MB, for {', '.join(receipt['platforms'])}")
    for entry, reason in receipt["refused"].items():
        print(f"no program {entry!r}: {reason}")
    print(f"Next: causal_jax.export.load({str(args.out)!r}).observe(num=8)")


def command(workdir: str, out: str, platforms: list[str]) -> str:
    """What makes the file anew."""
    words = ["causal-jax", "export", f"--workdir={workdir}", f"--out={out}"]
    if tuple(platforms) != export.PLATFORMS:
        words.append(f"--platforms={','.join(platforms)}")
    return shlex.join(words)
