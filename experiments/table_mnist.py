"""Makes docs/mnist.md: invariant classifiers from counterfactual pictures.

    python -m experiments.table_mnist --textures=DIR --official=DIR   # every cell
    python -m experiments.table_mnist --only=counterfactual_double    # that begin so
    python -m experiments.table_mnist --num_seeds=5 --together       # on a GPU

Sauer & Geiger (2021), table 1: classifiers of coloured, double-coloured and wildlife
digits, trained on what the data show or on counterfactual pictures, and tested where
colours and textures tell nothing. Cells, VARIANT one of the three:

    cgn_VARIANT_seedS             a counterfactual generative network from scratch
    counterfactual_VARIANT_seedS  a classifier of its pictures only, 100,000 of them
    official_VARIANT              the same of the published weights, from --official
    original_VARIANT, gan_, original_gan_, original_cgn_, irm_     the paper's others
    ablation_WHAT                 double-coloured: without the mask loss, without the
                                  shuffler, with a style loss; of 10^4 pictures, or
                                  of 10^6, each seen once; IRM without its penalty;
                                  wildlife's network trained twice, and four times as
                                  long, that with masks of .85 of the noise, not .8

Digits are MNIST's, from the tfds folder named by $TFDS_DATA_DIR; cells of another
--dataset begin with its name (`fashion_mnist_cgn_colored_seed0`). --textures holds the
pictures of wildlife (DIR/object, DIR/background); without it the drawn textures have
cells of their own (`wildlife_drawn`). Finished cells are rows in
docs/results/mnist_CELL.json and are skipped; interrupted ones resume from --workdir.
--together trains the seeds of a set in one vmapped program.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from absl import flags

from causal_jax.cli import command_line
from causal_jax.data.mnist import VARIANTS
from causal_jax.recipes import recipe, registry
from experiments import mnist_page, results, study

OFFICIAL = "OFFICIAL"  # stands for --official in a cell's generator
_BASELINES = ("original", "gan", "original_gan", "original_cgn", "irm")
_ABLATIONS = ("no_mask", "no_shuffler", "style")  # variants of mnist_cgn


class Cell(NamedTuple):
    """One run.

    Attributes:
      config: name and variant.
      overrides: of the config.
      generator: the cell whose run draws the pictures; `OFFICIAL`; "" for none.
    """

    config: str
    overrides: dict
    generator: str = ""


_MNIST = "mnist"


def cells(
    num_seeds: int = 1, *, drawn: bool = False, dataset: str = _MNIST
) -> dict[str, Cell]:
    """All cells; with `drawn` those of the drawn textures instead of wildlife's.

    Those of another set than MNIST begin with its name, and the published weights,
    which draw MNIST's digits, have none.
    """
    if dataset == _MNIST:
        return _cells_of_mnist(num_seeds, drawn=drawn)
    return {
        f"{dataset}_{name}": cell._replace(
            generator=cell.generator and f"{dataset}_{cell.generator}"
        )
        for name, cell in _cells_of_mnist(num_seeds, drawn=drawn).items()
        if cell.generator != OFFICIAL
    }


def _cells_of_mnist(num_seeds: int, *, drawn: bool) -> dict[str, Cell]:
    found = {}
    for variant in VARIANTS:
        name = f"{variant}_drawn" if drawn and variant == "wildlife" else variant
        for seed in range(num_seeds):
            generator = f"cgn_{name}_seed{seed}"
            found[generator] = Cell(f"mnist_cgn:{variant}", {"seed": seed})
            found[f"counterfactual_{name}_seed{seed}"] = Cell(
                f"mnist_classifier:{variant}", {"seed": seed}, generator
            )
        if not (drawn and variant == "wildlife"):
            found[f"official_{variant}"] = Cell(
                f"mnist_classifier:{variant}", {}, OFFICIAL
            )
        found[f"plain_gan_{name}"] = Cell(f"mnist_cgn:{variant},gan", {})
        for what in _BASELINES:
            generator = {"gan": f"plain_gan_{name}", "cgn": f"cgn_{name}_seed0"}.get(
                what.split("_")[-1], ""
            )
            found[f"{what}_{name}"] = Cell(
                f"mnist_classifier:{variant},{what}", {}, generator
            )
    double = VARIANTS[1]
    for what in _ABLATIONS:
        generator = f"cgn_ablation_{what}"
        found[generator] = Cell(f"mnist_cgn:{double},{what}", {})
        found[f"ablation_{what}"] = Cell(f"mnist_classifier:{double}", {}, generator)
    for num, overrides in (
        (10_000, {"num_counterfactuals": 10_000}),
        (1_000_000, {"on_the_fly": True}),  # ten epochs of 100,000, none drawn twice
    ):
        found[f"ablation_{num}"] = Cell(
            f"mnist_classifier:{double}", overrides, f"cgn_{double}_seed0"
        )
    found["ablation_no_penalty"] = Cell(
        f"mnist_classifier:{double},irm", {"penalty_weight": 0.0}
    )
    if not drawn:
        wildlife = VARIANTS[2]
        for num_steps, overrides in (
            (20_000, {}),
            (40_000, {"model.truncation": 0.85}),
        ):
            generator = f"cgn_ablation_{num_steps}_steps"
            overrides = {"num_steps": num_steps, **overrides}
            found[generator] = Cell(f"mnist_cgn:{wildlife}", overrides)
            found[f"ablation_{num_steps}_steps"] = Cell(
                f"mnist_classifier:{wildlife}", {}, generator
            )
    return found


def configuration(cell: Cell, generator: str, args: flags.FlagValues):
    """The config of a cell."""
    config = registry.get_config(cell.config)
    config.update_from_flattened_dict(cell.overrides)
    config.dataset = args.dataset
    if config.variant == VARIANTS[2]:
        config.textures = args.textures
    if cell.generator:
        config.generator = generator
    return config


def official_path(folder: str, variant: str) -> str:
    """The published checkpoint of a variant.

    Raises:
      ValueError: it is not there.
    """
    name = variant.partition(",")[0] + "_MNIST"
    places = [f"cgn_{name}/weights/ckp.pth", f"cgn_{name}_ckp.pth"]
    for place in places:
        if folder and (Path(folder) / place).is_file():
            return str(Path(folder) / place)
    raise ValueError(
        f"--official={folder}: give the folder that holds {places[0]} or {places[1]}"
    )


def known_cells(args: flags.FlagValues) -> dict[str, Cell]:
    """The cells that the flags describe."""
    return cells(args.num_seeds, drawn=not args.textures, dataset=args.dataset)


def run(args: flags.FlagValues, *names: str) -> None:
    """Trains and measures cells, their generators before them; writes the rows."""
    started = [name for name in names if (Path(args.workdir) / name).exists()]
    if len(names) > 1 and not started:
        train_together(args, names)
    for name in names:
        print(f"{name} ...", flush=True)
        row = run_one(args, name)
        print(json.dumps(row["metrics"]["digits"])[:400], flush=True)


def train_together(args: flags.FlagValues, names: Sequence[str]) -> None:
    """Trains cells that differ in their seed, and their generators, at once."""
    known, folder = known_cells(args), Path(args.workdir)
    generators = [known[name].generator for name in names]
    missing = [g for g in generators if g and not _is_measured(folder / g)]
    if missing and OFFICIAL not in generators:
        train_together(args, missing)
        for generator in missing:
            run_one(args, generator)
    configs = [
        configuration(known[name], str(folder / generator) if generator else "", args)
        for name, generator in zip(names, generators, strict=True)
    ]
    recipe.train_together(configs, [folder / name for name in names])


def _is_measured(workdir: Path) -> bool:
    return (workdir / "metrics.json").is_file()


def run_one(args: flags.FlagValues, name: str) -> dict:
    """Trains and measures a cell, its generator before it; returns its row."""
    cell, folder = known_cells(args)[name], Path(args.workdir)
    generator = ""
    if cell.generator == OFFICIAL:
        generator = official_path(args.official, cell.config.partition(":")[2])
    elif cell.generator:
        generator = str(folder / cell.generator)
        if not _is_measured(folder / cell.generator):
            run_one(args, cell.generator)
    config = configuration(cell, generator, args)
    seconds = recipe.train(config, folder / name)
    metrics = recipe.evaluate(folder / name)
    row = {
        "command": command(name, cell, args),
        "seconds": seconds,
        "config": {
            "variant": config.variant,
            "dataset": config.dataset,
            "textures": "a folder" if config.textures else "drawn",
            **_settings(config),
        },
        "seed": [config.seed],
        "metrics": {"digits": metrics},
    }
    results.write(mnist_page.PREFIX + name, row)
    return row


def command(name: str, cell: Cell, args: flags.FlagValues) -> str:
    """What makes a cell, `DIR` standing for folders."""
    options = [f"--only={name}"]
    if VARIANTS[2] in cell.config and args.textures:
        options.append("--textures=DIR")
    if cell.generator == OFFICIAL:
        options.append("--official=DIR")
    if args.dataset != _MNIST:
        options.append(f"--dataset={args.dataset}")
    if name not in cells(drawn=not args.textures, dataset=args.dataset):
        options.append(f"--num_seeds={args.num_seeds}")
    if args.together:
        options.append("--together")
    return " ".join(["python -m experiments.table_mnist", *options])


def _settings(config) -> dict:
    """What the page says about a run."""
    if config.stage == "cgn":
        return {"kind": config.kind, "num_steps": config.num_steps}
    keys = ("train_on", "num_counterfactuals", "per_mask", "on_the_fly", "num_epochs")
    return {key: config[key] for key in keys}


STUDY = study.Study(
    prefix=mnist_page.PREFIX,
    cells=known_cells,
    run=run,
    write_pages=lambda args: mnist_page.write(),
    group=lambda args, name: mnist_page.without_seed(name) if args.together else name,
)


def define_flags() -> None:
    study.define_flags(
        again="Measures finished cells again (trains them in a new --workdir)."
    )
    flags.DEFINE_integer("num_seeds", 1, "Trainings of each CGN, and classifiers.", 1)
    flags.DEFINE_string("workdir", "runs/mnist", "Where the runs go.")
    flags.DEFINE_string("dataset", _MNIST, "A tfds set of 28x28 grey pictures.")
    flags.DEFINE_string("textures", "", "Folder of wildlife's pictures; else drawn.")
    flags.DEFINE_string("official", "", "Folder of the published checkpoints.")
    flags.DEFINE_bool("together", False, "Trains seeds at once, begun anew if cut.")


def main(args: flags.FlagValues) -> None:
    study.main(STUDY, args)


if __name__ == "__main__":
    command_line.run("table_mnist", define_flags, main, help_text=__doc__)
