"""What a run imagines for given images, measured and compared with the truth.

Composition, reversibility and effectiveness (Monteiro et al. 2023) with intervals, with
and without what the generator cannot draw of an image (the residual). A case is a
held-out face and one label changed, as many from 0 to 1 as from 1 to 0 for every label.

On the faces the other labels are the true counterfactual's, and imagined images are
held against true counterfactual ones: same nuisances, other labels. On other data they
are drawn with the model's coupling, and there is no truth to compare with.
"""

import json
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax import files
from causal_jax.metrics import soundness
from causal_jax.metrics.intervals import Interval, bootstrap
from causal_jax.networks.judge import Judge
from causal_jax.progress import tqdm
from causal_jax.recipes.labels_images.cases import Cases, flat, open_cases
from causal_jax.recipes.labels_images.imagination import (
    Imagination,
    abduct,
    image_step,
    imagine_fn,
    open_with_images,
    with_encoder,
)
from causal_jax.recipes.recipe import open_run
from causal_jax.reporting import counterfactuals, grids
from causal_jax.runs import folder

KEY = 2312  # the draws are the same for every run
ROUNDS = 10  # of composition
VARIANTS = {"residual": True, "generator alone": False}


# --- measuring -----------------------------------------------------------------------


class Measured(NamedTuple):
    """Everything by unit, `[S, B]` each; None where nothing is known of it.

    Attributes:
      effective: whether the judge reads the changed label as it was set.
      kept: share of the other labels that the judge reads as they should be; None where
        it reads no other.
      reversibility: distance after there and back.
      nearer: whether nearer to the truth than the factual, where the truth changes.
      changed: L1 over the pixels that the truth changes.
      factual: the factual's L1 there.
      rest: L1 over the other pixels.
    """

    effective: np.ndarray
    kept: np.ndarray | None
    reversibility: np.ndarray
    nearer: np.ndarray | None = None
    changed: np.ndarray | None = None
    factual: np.ndarray | None = None
    rest: np.ndarray | None = None


SHARES = ("effective", "kept", "nearer")


def measure(
    imagine, judge: Judge, cases: Cases, names: tuple[str, ...], key
) -> tuple[Measured, np.ndarray]:
    """All values of `Measured`, and the imagined images `[S, B, H, H, 3]`."""
    shape = cases.labels.shape[:2]
    images, labels, others = map(flat, (cases.images, cases.labels, cases.others))
    images = jnp.asarray(images)
    imagined = imagine(images, labels, others, key)
    judged = [i for i, name in enumerate(names) if name in judge.label_names]
    right = soundness.label_agreement(
        judge, imagined, others[:, judged], [names[i] for i in judged]
    )
    is_changed = np.repeat(cases.columns, shape[1])[:, None] == np.array(judged)
    num_others = len(judged) - 1
    kept = (right & ~is_changed).sum(-1) / num_others if num_others else None
    back = soundness.reversibility(imagine, images, labels, others, key, there=imagined)
    values = {
        "effective": (right & is_changed).any(-1),
        "kept": kept,
        "reversibility": back,
    }
    if cases.true is not None:
        truth = soundness.against_truth(imagined, images, flat(cases.true))
        values |= {
            "nearer": truth.nearer,
            "changed": truth.changed,
            "factual": truth.factual,
            "rest": truth.rest,
        }
    measured = {
        name: None if value is None else np.asarray(value, float).reshape(shape)
        for name, value in values.items()
    }
    return Measured(**measured), np.asarray(imagined).reshape(cases.images.shape)


def intervals(measured: Measured) -> dict[str, Interval]:
    """The mean over all strata of every quantity."""
    return {
        name: bootstrap(values, share=name in SHARES)
        for name, values in measured._asdict().items()
        if values is not None
    }


def by_stratum(measured: Measured, cases: Cases) -> dict[str, dict[str, float]]:
    """The means of each stratum."""
    return {
        name: {
            quantity: float(values[i].mean())
            for quantity, values in measured._asdict().items()
            if values is not None
        }
        for i, name in enumerate(cases.names)
    }


def num_composed(num: int) -> int:
    """Cases a stratum for composition: ten rounds of all of them would be minutes."""
    return min(num, max(num // 4, 10))


def compositions(imagine, cases: Cases, key) -> np.ndarray:
    """Distance after each null intervention in a row, `[ROUNDS, S, num_composed]`."""
    few = num_composed(cases.images.shape[1])
    images, labels = flat(cases.images[:, :few]), flat(cases.labels[:, :few])
    found = soundness.composition(
        imagine, jnp.asarray(images), labels, key, rounds=ROUNDS
    )
    return found.reshape(ROUNDS, len(cases.names), few)


def composition_intervals(by_round: np.ndarray) -> dict[str, Interval]:
    """After one and after all null interventions."""
    return {f"composition_{i}": bootstrap(by_round[i - 1]) for i in (1, len(by_round))}


def units(variant: str, measured: Measured, by_round: np.ndarray) -> dict:
    """A variant's values by unit, under the names that soundness_units.npz has."""
    values = {"composition": by_round, **measured._asdict()}
    return {
        f"{variant}_{quantity}".replace(" ", "_"): found
        for quantity, found in values.items()
        if found is not None
    }


def evaluate(workdir: str | Path, *, num: int = 60, judge: str | None = None) -> dict:
    """Measures a run and writes soundness.json, .png and soundness_units.npz into it.

    Args:
      workdir: the folder of a trained run with images.
      num: cases per label and state, at least 2; at most as many as there are.
      judge: a judge's .npz; None as the evaluation has it.

    Returns:
      The figures, as soundness.json has them.

    Raises:
      ValueError: no run with images there, or too few cases.
    """
    if num < 2:
        raise ValueError(f"--num is {num}: give at least 2 cases a label and state")
    started, workdir = time.monotonic(), Path(workdir)
    trained = open_with_images(open_run(workdir))
    if not trained.can_be_judged:
        raise ValueError(
            f"no label of {workdir} has two states: there is nothing a judge can read"
        )
    model = with_encoder(trained)
    names = model.trained.label_scm.nodes
    reader, cases = open_cases(model, num, judge)
    num = cases.images.shape[1]
    figures = {"num_per_stratum": num, "strata": len(cases.names)}
    figures |= {"composition_num_per_stratum": num_composed(num), "variants": {}}
    figures |= {"step": image_step(workdir), "left_out": cases.left_out}
    figures |= {"were_trained_on": cases.were_trained_on}
    imagined, by_unit = {}, {"strata": np.asarray(cases.names, np.str_)}
    # There and back, and each round of composition.
    bar = tqdm(total=len(VARIANTS) * (2 + ROUNDS), desc="imagining", unit="set")
    for name, residual in VARIANTS.items():
        key = jax.random.key(KEY)
        imagine = _counted(imagine_fn(model, residual=residual), bar)
        measured, imagined[name] = measure(imagine, reader, cases, names, key)
        by_round = compositions(imagine, cases, key)
        by_unit |= units(name, measured, by_round)
        found = composition_intervals(by_round) | intervals(measured)
        figures["variants"][name] = {
            "all": {quantity: value._asdict() for quantity, value in found.items()},
            "by_case": by_stratum(measured, cases),
        }
    bar.close()
    figures["reconstruction"] = reconstruction(model, reader, cases)
    figures["seconds"] = time.monotonic() - started
    folder.write_text(workdir / "soundness.json", json.dumps(figures, indent=1))
    _save_units(workdir / "soundness_units.npz", by_unit)
    picture = sheet(model, cases, imagined["residual"])
    grids.save_png(workdir / "soundness.png", picture)
    return figures


def _counted(imagine, bar):
    """The same function; the bar moves with each call."""

    def imagined(*arguments):
        found = imagine(*arguments)
        bar.update()
        return found

    return imagined


def _save_units(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes arrays without pickle, whole or not at all."""
    with files.whole(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def reconstruction(model: Imagination, judge, cases: Cases) -> dict[str, float]:
    """Error of the generator's own drawing, and labels that the judge reads in it."""
    images, labels = flat(cases.images), flat(cases.labels)
    found = abduct(model, jnp.asarray(images), labels, jax.random.key(KEY))
    names = [n for n in model.trained.label_scm.nodes if n in judge.label_names]
    columns = [model.trained.label_scm.nodes.index(name) for name in names]
    right = soundness.label_agreement(
        judge, found.reconstruction, labels[:, columns], names
    )
    return {"error": float(found.error.mean()), "labels_kept": float(right.mean())}


# --- showing -------------------------------------------------------------------------


def sheet(model: Imagination, cases: Cases, imagined: np.ndarray):
    """The first unit of every stratum."""
    labels, images = cases.labels[:, 0], cases.images[:, 0]
    found = abduct(model, jnp.asarray(images), labels, jax.random.key(KEY))
    columns = {
        "factual": images,
        "reconstruction": np.asarray(found.reconstruction),
        "counterfactual": imagined[:, 0],
    }
    reference = images
    if cases.true is not None:
        columns["true counterfactual"] = reference = cases.true[:, 0]
    name = "difference from " + ("the truth" if cases.true is not None else "factual")
    columns[name] = counterfactuals.difference(imagined[:, 0], reference)
    return counterfactuals.counterfactual_sheet(columns, row_labels=cases.names)
