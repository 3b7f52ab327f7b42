"""What the Labeler and the Anti-Labeler are for: the paper's claim, measured.

    python -m experiments.ablation                     # every cell
    python -m experiments.ablation --only=labeler      # cells whose name starts so
    python -m experiments.ablation --num_seeds=1 --num_steps=1000

CausalGAN (Kocaoglu et al. 2017, section 5) adds two critics to a GAN: without the
Labeler nothing ties an image to its labels; with the Labeler alone, says the paper, the
generator collapses to the images that are easiest to label; the Anti-Labeler undoes
that. On the drawn faces, with the paper's discriminator, which does not see the labels
(the default's does), and label terms of the weight of its equation 5:

  none     no label terms
  labeler  Labeler
  both     Labeler and Anti-Labeler

Measured by the faces' judge: balanced label accuracy, and diversity a label, the spread
of the renderer's nuisances under do(label = state) over the true spread. Each finished
cell is docs/results/ablation_CELL.json and is skipped the next time; docs/ablation.md
and docs/ablation.png are made of all finished cells.
"""

import math
from pathlib import Path

import jax
import numpy as np
from absl import flags

import causal_jax
from causal_jax.cli import command_line
from causal_jax.data import faces
from causal_jax.metrics import images
from causal_jax.recipes import recipe, registry
from causal_jax.recipes.labels_images.faces_judge import load_faces_judge
from causal_jax.reporting import grids
from causal_jax.runs import folder as workdirs
from causal_jax.runs.load import IMAGE
from experiments import results, study

PREFIX = "ablation_"
# Weights of the mean label terms; the paper's sum over nine labels is 9 times the mean.
VARIANTS = {
    "none": {"label_weight": 0.0},
    "labeler": {"label_weight": 9.0, "anti_labeler_weight": 0.0},
    "both": {"label_weight": 9.0},
}
# One combination of labels for the picture: images differ by their noise alone.
SHOWN = {
    name: int(name in ("Male", "Smiling", "Mouth_Slightly_Open"))
    for name in faces.label_scm()[0].nodes
}
NUM_SHOWN = 12
_KEY = 41


def config(variant: str, seed: int, num_steps: int):
    """The faces' default, but for what is studied."""
    chosen = registry.get_config("faces_causal_gan:mle")
    chosen.generator.modulated = False  # as all rows have it
    chosen.seed, chosen.num_steps = seed, num_steps
    chosen.gan.update({"joint": False, "additivity": 0.0, **VARIANTS[variant]})
    return chosen


def cells(num_seeds: int) -> dict[str, tuple[str, int]]:
    """{cell: (variant, seed)}, the first seed of every variant first."""
    return {
        f"{variant}_seed{seed}": (variant, seed)
        for seed in range(num_seeds)
        for variant in VARIANTS
    }


def run(args: flags.FlagValues, cell: str) -> None:
    """Trains and measures a cell, draws its pictures, writes its row."""
    variant, seed = cells(args.num_seeds)[cell]
    num_steps, workdir = args.num_steps, Path(args.workdir) / cell
    seconds = recipe.train(config(variant, seed, num_steps), workdir)
    scm, params = causal_jax.load(workdir)
    model, key = (scm, params, load_faces_judge()), jax.random.key(_KEY)
    accuracy = images.label_accuracy(*model, key)
    spread = images.diversity(*model, key, truth=faces.scm())
    shown = scm.sample(params, key, num=NUM_SHOWN, do=SHOWN)[IMAGE]
    metrics = {
        "label_accuracy_mean": accuracy.mean,
        "label_accuracy_min": accuracy.min,
        "diversity": spread.diversity,
        "label_accuracy": accuracy.by_label,
        "diversity_by_nuisance": spread.by_nuisance,
        "diversity_by_label": {
            label: float(np.mean(list(ratios.values())))
            for label, ratios in spread.table.items()
        },
    }
    row = {
        "command": f"python -m experiments.ablation --only={cell} "
        f"--num_steps={num_steps}",
        "seconds": seconds,
        "config": {"variant": variant, "num_steps": num_steps, **VARIANTS[variant]},
        "seed": seed,
        "metrics": {"images": metrics},
    }
    np.savez_compressed(workdir / "shown.npz", images=grids.to_uint8(shown))
    results.write(PREFIX + cell, row)
    figures = {k: v for k, v in metrics.items() if isinstance(v, float)}
    print(cell, ", ".join(f"{k} {v:.3f}" for k, v in figures.items()))


def finished() -> dict[str, list[dict]]:
    """{variant: its finished rows' image metrics, seed}, in the study's order."""
    rows = results.rows(PREFIX)
    by_variant = {
        variant: [
            row["metrics"]["images"] | {"seed": row["seed"]}
            for row in rows
            if row["config"]["variant"] == variant
        ]
        for variant in VARIANTS
    }
    return {variant: found for variant, found in by_variant.items() if found}


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Mean over seeds and its standard error (nan for one seed)."""
    if len(values) < 2:
        return float(np.mean(values)), math.nan
    return float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5)


_HEADER = """# What the Labeler and the Anti-Labeler are for

Made by `python -m experiments.ablation` from the rows in
`docs/results/ablation_*.json`. Faces at 32 pixels; the discriminator does not see the
labels. Mean and standard error over seeds. Accuracy is balanced, mean and lowest of
nine labels; diversity is the spread of the renderer's nuisances under each
do(label = state) over the true spread, and its lowest label.

| critics beside D | seeds | accuracy | lowest | diversity | lowest of a label |
|---|---|---|---|---|---|
"""
_NAMES = {"none": "none", "labeler": "Labeler", "both": "Labeler and Anti-Labeler"}


def markdown(found: dict[str, list[dict]]) -> str:
    """docs/ablation.md: a line a variant, each label's diversity, the effect."""
    lines = [_line(variant, rows) for variant, rows in found.items()]
    lines += ["", *_effect(found), "", *_by_label(found)]
    lines += ["", "![samples of one combination of labels](ablation.png)", ""]
    return _HEADER + "\n".join(lines)


def _line(variant: str, rows: list[dict]) -> str:
    figures = [
        [row["label_accuracy_mean"] for row in rows],
        [row["label_accuracy_min"] for row in rows],
        [row["diversity"] for row in rows],
        [min(row["diversity_by_label"].values()) for row in rows],
    ]
    return " | ".join(
        [f"| {_NAMES[variant]}", str(len(rows)), *map(_figure, figures)]
    ) + (" |")


def _figure(values: list[float]) -> str:
    mean, error = mean_and_error(values)
    return f"{mean:.3f}" if math.isnan(error) else f"{mean:.3f} ± {error:.3f}"


def _effect(found: dict[str, list[dict]]) -> list[str]:
    """The Anti-Labeler's effects in standard errors; same seeds."""
    both, labeler = (found.get(name, []) for name in ("both", "labeler"))
    pairs = [(a, b) for a in both for b in labeler if a["seed"] == b["seed"]]
    if len(pairs) < 2:
        return []
    lines = ["The Anti-Labeler, seeds in pairs, changes", ""]
    for name, key in (("diversity",) * 2, ("accuracy", "label_accuracy_mean")):
        mean, error = mean_and_error([a[key] - b[key] for a, b in pairs])
        times = f" ({abs(mean) / error:.1f} standard errors)" if error else ""
        lines.append(f"* {name} by {mean:+.3f} ± {error:.3f}{times}")
    return lines


def _by_label(found: dict[str, list[dict]]) -> list[str]:
    labels = next(iter(found.values()))[0]["diversity_by_label"]
    lines = [f"| diversity under do | {' | '.join(map(_NAMES.get, found))} |"]
    lines.append("|---" * (len(found) + 1) + "|")
    for label in labels:
        values = [
            _figure([row["diversity_by_label"][label] for row in rows])
            for rows in found.values()
        ]
        lines.append(f"| {label} | {' | '.join(values)} |")
    return lines


def picture(folder: Path):
    """First seeds' samples of `SHOWN`, a row a variant; None while some are missing."""
    paths = [folder / f"{variant}_seed0" / "shown.npz" for variant in VARIANTS]
    if not all(path.is_file() for path in paths):
        return None
    shown = ", ".join(name for name, state in SHOWN.items() if state)
    return grids.grid(
        np.stack([np.load(path, allow_pickle=False)["images"] for path in paths]),
        row_labels=list(_NAMES.values()),
        title=f"{shown}; all other labels 0",
    )


def write_pages(args: flags.FlagValues) -> None:
    """Writes the table and, where the runs are at hand, the picture."""
    docs = results.FOLDER.parent
    workdirs.write_text(docs / "ablation.md", markdown(finished()))
    drawn = picture(Path(args.workdir))
    if drawn:
        grids.save_png(docs / "ablation.png", drawn)


STUDY = study.Study(
    prefix=PREFIX,
    cells=lambda args: cells(args.num_seeds),
    run=run,
    write_pages=write_pages,
    alike=("num_steps",),
)


def define_flags() -> None:
    study.define_flags()
    flags.DEFINE_string("workdir", "runs/ablation", "Where the runs go.")
    flags.DEFINE_integer("num_seeds", 3, "Seeds of a variant.", 1)
    flags.DEFINE_integer("num_steps", 3000, "Steps of the image stage.", 1)


def main(args: flags.FlagValues) -> None:
    study.main(STUDY, args)


if __name__ == "__main__":
    command_line.run("ablation", define_flags, main, help_text=__doc__)
