"""`python -m experiments.soundness`: the command `causal-jax soundness`.

With --row it also adds a row to docs/results.
"""

from absl import flags

from causal_jax.cli import command_line, soundness
from causal_jax.metrics.intervals import Interval
from causal_jax.recipes.recipe import open_run
from experiments import results


def define_flags() -> None:
    """The command's flags, and --row."""
    soundness.define_flags()
    flags.DEFINE_bool("row", False, "Add a row to docs/results.")


def main(args: flags.FlagValues) -> None:
    figures = soundness.main(args)
    if args.row:
        add_row(figures, open_run(args.workdir).config.name)


def add_row(figures: dict, name: str) -> None:
    """Writes docs/results/soundness_NAME.json."""
    residual, num = figures["variants"]["residual"]["all"], figures["num_per_stratum"]
    found = {n: Interval(**v) for n, v in residual.items()}
    row = {
        "command": f"python -m experiments.soundness --workdir=DIR --num={num} --row",
        "seconds": {"soundness": figures["seconds"]},
        "metrics": {"soundness": figures},
        "note": ", ".join(f"{name} {value!s}" for name, value in found.items()),
    }
    results.write(f"soundness_{name}", row)
    results.write_page()


if __name__ == "__main__":
    command_line.run("soundness", define_flags, main, help_text=soundness.__doc__)
