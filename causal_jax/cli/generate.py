r"""Writes counterfactual pictures as a data set that tensorflow-datasets reads.

    causal-jax generate --generator=runs/cgn --num=100000 \
        --name=double_colored_counterfactual --data_dir=DIR

The generator is the folder of an `mnist_cgn` run or a published checkpoint (ckp.pth).
Every picture has fresh noise and labels of its own for shape, foreground and
background; all three are written beside it. Read it with tfds, or train on it:

    causal-jax train --config=mnist_classifier \
        --config.counterfactuals=double_colored_counterfactual --config.data_dir=DIR ...

(A classifier that is given a generator draws its pictures itself; nothing is written.)
"""

from collections.abc import Iterator

import jax
import numpy as np
from absl import flags

from causal_jax.data import counterfactuals
from causal_jax.data.counterfactuals import LABELS, Counterfactuals
from causal_jax.recipes.digits.generator import (
    draw_blocks,
    open_generator,
    require_parts,
)
from causal_jax.reporting.grids import to_uint8


def define_flags() -> None:
    """Defines this command's flags."""
    flags.DEFINE_string(
        "generator", None, "A run's folder, .pth or .safetensors.", required=True
    )
    flags.DEFINE_string("name", None, "The data set's name.", required=True)
    flags.DEFINE_string("data_dir", None, "Where data sets lie; else $TFDS_DATA_DIR.")
    flags.DEFINE_integer("num", 100_000, "Number of pictures.")
    flags.DEFINE_integer("per_mask", 1, "Pictures that share a mask; divides --num.")
    flags.DEFINE_integer("seed", 0, "Seed of the draws.")


def main(args: flags.FlagValues) -> None:
    """Draws and writes what the flags ask for."""
    path = counterfactuals.write(
        args.name,
        blocks(args.generator, num=args.num, per_mask=args.per_mask, seed=args.seed),
        description="Counterfactual pictures drawn by causal_jax, "
        f"seed {args.seed}, {args.per_mask} a mask.",
        data_dir=args.data_dir,
    )
    print(f"wrote {args.num} pictures to {path}")
    print(
        "Next: causal-jax train --config=mnist_classifier --workdir=DIR "
        f"--config.counterfactuals={args.name} --config.data_dir={path.parents[1]}"
    )


def blocks(
    generator: str, *, num: int, per_mask: int, seed: int
) -> Iterator[Counterfactuals]:
    """The pictures that the flags ask for, as they are written.

    Raises:
      ValueError: no such generator, or numbers that do not fit.
    """
    if num < 1 or per_mask < 1:
        raise ValueError("--num and --per_mask are at least 1")
    scm, params = open_generator(generator)
    require_parts(scm, generator)
    drawn = draw_blocks(scm, params, jax.random.key(seed), num=num, per_mask=per_mask)
    for block in drawn:
        labels = (block.shape_labels, block.texture_labels, block.background_labels)
        named = dict(zip(LABELS, map(np.asarray, labels), strict=True))
        yield Counterfactuals(to_uint8(block.images), named)
