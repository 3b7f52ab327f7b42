"""The main job in one command, without any download.

    causal-jax quickstart

Draws faces whose causal law is known, learns their label law along the causal graph,
learns the image mechanism (CausalGAN at 32 pixels), measures both against the truth and
writes a report. Four to six minutes on two CPU cores. Run it again to resume; choose
another folder with --workdir and another seed with --seed.
"""

import time
from pathlib import Path

from absl import flags

from causal_jax.cli import assignments
from causal_jax.cli.evaluate import summary
from causal_jax.recipes import recipe, registry


def define_flags() -> None:
    """Defines this command's flags."""
    flags.DEFINE_string("workdir", "runs/quickstart", "Folder of the run.")
    flags.DEFINE_integer("seed", 0, "Seed of the training.")


def main(args: flags.FlagValues) -> None:
    """Trains, measures and reports."""
    started = time.monotonic()
    config = registry.get_config("faces_causal_gan:quickstart")
    config.seed = args.seed
    recipe.train(config, args.workdir)
    print("measuring against the truth ...", flush=True)
    metrics = recipe.evaluate(args.workdir)
    print(summary(metrics))
    report = (Path(args.workdir).absolute() / "report.html").as_uri()
    print(f"done in {time.monotonic() - started:.0f} s. Open {report}")
    where = assignments.as_flag("workdir", args.workdir)
    print(
        f'Next: causal-jax sample {where} --do="Mustache=1" '
        '--given="Male=0" --out=women_with_a_mustache.png'
    )
