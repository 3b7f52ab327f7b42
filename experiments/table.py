"""Makes the results table cell by cell; finished cells are kept and skipped.

    python -m experiments.table                         # every cell whose data is there
    python -m experiments.table --only=faces_wgan       # cells whose name starts so
    python -m experiments.table --only=celeba_ --table=list_attr_celeba.zip

Each cell is one `experiments.train` and `experiments.evaluate`; its row goes to
docs/results/CELL.json and docs/results.md is made from all rows. The CelebA cells read
the attribute table from --table (the official list, zipped or not) or else from the
tfds folder named by $TFDS_DATA_DIR. Interrupted cells resume from --workdir.
"""

import importlib
import json
from pathlib import Path

from absl import flags

from experiments import command_line, evaluate, results, stages

_SEEDS = range(5)
CELEBA = "celeba_labels.py"
G1, COMPLETE = "big_causal_graph", "complete_big_causal_graph"

# cell: (config with variant, overrides)
CELLS: dict[str, tuple[str, dict]] = {
    **{f"faces_wgan_seed{s}": ("faces_labels.py", {"seed": s}) for s in _SEEDS},
    **{f"faces_mle_seed{s}": ("faces_labels.py:mle", {"seed": s}) for s in _SEEDS},
    **{
        f"random{s}_wgan": ("faces_labels.py:random", {"table_seed": s}) for s in _SEEDS
    },
    **{
        f"random{s}_mle": ("faces_labels.py:random,mle", {"table_seed": s})
        for s in _SEEDS
    },
    "faces_reference": ("faces_labels.py:reference", {}),
    "faces_quickstart": ("faces_causal_gan.py:quickstart", {}),
    "faces_causal_gan": ("faces_causal_gan.py", {}),
    "faces_causal_began": ("faces_causal_began.py", {}),
    "celeba_g1_mle": (f"{CELEBA}:{G1},mle", {}),
    "celeba_g1_wgan": (f"{CELEBA}:{G1}", {}),
    "celeba_complete_mle": (f"{CELEBA}:{COMPLETE},mle", {}),
    "celeba_complete_wgan": (f"{CELEBA}:{COMPLETE}", {"num_steps": 12_000}),
    "celeba_all_mle": (f"{CELEBA}:complete_all,mle", {}),
    "celeba_all_wgan": (f"{CELEBA}:complete_all", {}),
    "celeba_causal_gan": (
        "celeba_causal_gan.py",
        {"dataset": "celeb_a_64", "num_steps": 4000},
    ),
    "celeba_causal_began": (
        "celeba_causal_began.py",
        {"dataset": "celeb_a_64", "num_steps": 2000},
    ),
}


def configuration(cell: str, table: str):
    """The config of a cell."""
    file, overrides = CELLS[cell]
    name, _, variant = file.partition(":")
    module = importlib.import_module(f"experiments.configs.{Path(name).stem}")
    config = module.get_config(variant)
    for key, value in overrides.items():
        config[key] = value
    if name == CELEBA:
        config.table = table
    return config


def run(cell: str, workdir: Path, table: str) -> None:
    """Trains and evaluates a cell and writes its row."""
    config = configuration(cell, table)
    seconds = stages.train(config, workdir / cell)
    metrics = evaluate.evaluate(workdir / cell)
    file, overrides = CELLS[cell]
    row = {
        "command": results.command(file, overrides),
        "seconds": seconds,
        "metrics": metrics,
    }
    results.write(cell, row)


def main(argv: list[str]) -> None:
    command_line.refuse_arguments(argv)
    args = flags.FLAGS
    chosen = [cell for cell in CELLS if cell.startswith(args.only)]
    with command_line.one_line_errors("table"):
        if not chosen:
            raise ValueError(f"--only={args.only}: there are {', '.join(CELLS)}")
        for cell in chosen:
            if results.read(cell) and not args.again:
                print(f"{cell}: done before")
                continue
            print(f"{cell} ...", flush=True)
            run(cell, Path(args.workdir), args.table)
            print(json.dumps(results.read(cell)["metrics"]["labels"])[:300], flush=True)
        results.write_page()


if __name__ == "__main__":
    flags.DEFINE_string("only", "", "Only cells whose name starts with this.")
    flags.DEFINE_string("workdir", "runs/table", "Where the runs go.")
    flags.DEFINE_string("table", "", "The official list_attr_celeba, zipped or not.")
    flags.DEFINE_bool("again", False, "Runs finished cells again.")
    command_line.run(main)
