"""Draws a sheet of pictures of a trained run: do against see, for one label.

    python -m experiments.sheet --workdir=DIR --node=Mustache --out=mustache.png

Rows: do(node = state) for every state, all with one noise, then given node = state.
"""

from pathlib import Path

import jax
from absl import flags

import causal_jax
from causal_jax.reporting import grids, sheets
from experiments import command_line


def main(argv: list[str]) -> None:
    command_line.refuse_arguments(argv)
    args = flags.FLAGS
    with command_line.one_line_errors("sheet"):
        if Path(args.out).suffix != ".png":
            raise ValueError(f"--out={args.out} must end in .png")
        scm, params = causal_jax.load(args.workdir)
        key = jax.random.key(args.seed)
        picture = sheets.do_versus_see_sheet(scm, params, key, args.node, args.num)
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        grids.save_png(args.out, picture)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    flags.DEFINE_string("workdir", None, "Folder of a trained run.", required=True)
    flags.DEFINE_string("node", None, "A label.", required=True)
    flags.DEFINE_string("out", None, "File to write, .png.", required=True)
    flags.DEFINE_integer("num", 8, "Pictures a row.")
    flags.DEFINE_integer("seed", 0, "Seed.")
    command_line.run(main)
