"""The main job in one command, without any download.

    python -m experiments.quickstart

Draws faces whose causal law is known, learns their label law along the causal graph,
learns the image mechanism (CausalGAN at 32 pixels), measures both against the truth and
writes a report. About five minutes on two CPU cores. Run it again to resume; choose
another folder with --workdir and another seed with --seed.
"""

import time
from pathlib import Path

from absl import flags

from experiments import command_line, evaluate, stages
from experiments.configs import faces_causal_gan


def main(argv: list[str]) -> None:
    command_line.refuse_arguments(argv)
    started = time.monotonic()
    config = faces_causal_gan.get_config("quickstart")
    config.seed = flags.FLAGS.seed
    workdir = flags.FLAGS.workdir
    with command_line.one_line_errors("quickstart"):
        stages.train(config, workdir)
        print("measuring against the truth ...", flush=True)
        metrics = evaluate.evaluate(workdir)
    print(evaluate.summary(metrics))
    print(f"done in {time.monotonic() - started:.0f} s. Open {_url(workdir)}")
    print(
        f'Next: python -m experiments.sample --workdir={workdir} --do="Mustache=1" \\'
    )
    print('          --given="Male=0" --out=women_with_a_mustache.png')


def _url(workdir: str) -> str:
    return (Path(workdir).absolute() / "report.html").as_uri()


if __name__ == "__main__":
    flags.DEFINE_string("workdir", "runs/quickstart", "Folder of the run.")
    flags.DEFINE_integer("seed", 0, "Seed of the training.")
    command_line.run(main)
