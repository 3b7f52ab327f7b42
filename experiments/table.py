"""Makes the results table cell by cell; finished cells are kept and skipped.

    python -m experiments.table                         # every cell
    python -m experiments.table --only=faces_wgan       # cells whose name starts so

Each cell is one `experiments.train` and `experiments.evaluate`, and a row of
docs/results.md; interrupted ones resume. CelebA's labels are read off --table (the
official list) or else $TFDS_DATA_DIR, where its pictures, `celeb_a_64`, are, too.
"""

from pathlib import Path

from absl import flags

from causal_jax.cli import command_line
from causal_jax.recipes import recipe, registry
from experiments import results, study

_SEEDS = range(5)
CELEBA, FACES, RANDOM = "celeba_labels", "faces_causal_gan", "faces_labels:random"
G1, COMPLETE = "big_causal_graph", "complete_big_causal_graph"
PHOTOS, BEGAN = "celeba_causal_gan", "celeba_causal_began"
PLAIN = {"dataset": "celeb_a_64", "num_steps": 5000, "label_factors": ()}
PLAIN |= {"gan.joint": False, "gan.additivity": 0.0}
OBEYED = {**PLAIN, "gan.label_weight": 9.0}


def _photographs(steps: int, every: int) -> dict:
    return {"dataset": "celeb_a_64", "num_steps": steps, "keep_every": every}


ALIKE = {**_photographs(11_500, 1500), "gan.average_rate": 0.01, "label_factors": ()}
CELLS: dict[str, tuple[str, dict]] = {  # (config with variant, overrides)
    **{f"faces_wgan_seed{s}": ("faces_labels", {"seed": s}) for s in _SEEDS},
    **{f"faces_mle_seed{s}": ("faces_labels:mle", {"seed": s}) for s in _SEEDS},
    **{f"random{s}_wgan": (RANDOM, {"table_seed": s}) for s in _SEEDS},
    **{f"random{s}_mle": (f"{RANDOM},mle", {"table_seed": s}) for s in _SEEDS},
    "faces_reference": ("faces_labels:reference", {}),
    "faces_quickstart": (f"{FACES}:quickstart", {}),
    "faces_quickstart_bfloat16": (f"{FACES}:quickstart", {"gan.dtype": "bfloat16"}),
    "faces_causal_gan": (FACES, {}),  # seed 0
    **{f"faces_causal_gan_seed{s}": (FACES, {"seed": s}) for s in _SEEDS[1:]},
    "faces_causal_began": ("faces_causal_began", {}),
    "celeba_g1_mle": (f"{CELEBA}:{G1},mle", {}),
    "celeba_g1_wgan": (f"{CELEBA}:{G1}", {}),
    "celeba_complete_mle": (f"{CELEBA}:{COMPLETE},mle", {}),
    "celeba_complete_wgan": (f"{CELEBA}:{COMPLETE}", {}),
    "celeba_all_mle": (f"{CELEBA}:complete_all,mle", {}),
    "celeba_all_wgan": (f"{CELEBA}:complete_all", {}),
    "celeba_causal_gan": (PHOTOS, _photographs(40_000, 4000)),
    "celeba_causal_began": (BEGAN, _photographs(16_000, 2000)),
    "celeba_causal_began_alike": (BEGAN, ALIKE),
    "celeba_causal_began_plain": (BEGAN, {**ALIKE, "gan.image_weight": 1.0}),
    "celeba_causal_began_augmented": (f"{BEGAN}:augmented", _photographs(10_000, 2000)),
    "celeba_twenty": (f"{PHOTOS}:twenty", _photographs(6000, 2000)),
    # What the labelers are for, on photographs, beside composites and augmentation.
    "celeba_labelers_none": (PHOTOS, {**PLAIN, "gan.label_weight": 0.0}),
    "celeba_labelers_one": (PHOTOS, OBEYED),
    "celeba_labelers_both": (PHOTOS, {**OBEYED, "gan.anti_labeler_weight": 1.0}),
}


def configuration(cell: str, table: str):
    """The config of a cell."""
    name, overrides = CELLS[cell]
    config = registry.get_config(name)
    config.update_from_flattened_dict(overrides)
    if config.name == CELEBA:
        config.table = table
    return config


def run(args: flags.FlagValues, cell: str) -> None:
    """Trains and evaluates a cell and writes its row."""
    print(f"{cell} ...", flush=True)
    workdir = Path(args.workdir) / cell
    seconds = recipe.train(configuration(cell, args.table), workdir)
    metrics = recipe.evaluate(workdir)
    command = results.command(*CELLS[cell])
    results.write(cell, {"command": command, "seconds": seconds, "metrics": metrics})


STUDY = study.Study(prefix="", cells=lambda args: CELLS, run=run)


def define_flags() -> None:
    study.define_flags()
    flags.DEFINE_string("workdir", "runs/table", "Where the runs go.")
    flags.DEFINE_string("table", "", "The official list_attr_celeba, zipped or not.")


def main(args: flags.FlagValues) -> None:
    study.main(STUDY, args)


if __name__ == "__main__":
    command_line.run("table", define_flags, main, help_text=__doc__)
