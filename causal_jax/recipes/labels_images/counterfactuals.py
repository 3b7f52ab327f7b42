"""Imagine, for given images: what they would have been under other labels.

Level three is not identified by what is seen: where an intervention has labels below
it, one draw of them is shown (noise and states coupled as the model's mechanisms are)
with bounds that hold for every coupling.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from causal_jax.networks.image_abduction import without_residual
from causal_jax.queries import bounds, coupled
from causal_jax.recipes.labels_images import imagination
from causal_jax.recipes.labels_images.imagination import Imagination
from causal_jax.reporting import counterfactuals, grids, sheets
from causal_jax.reporting.page import Page

_MAX_SENTENCES = 24  # of bounds below a picture


class Imagined(NamedTuple):
    """Given images and what they would have been; columns of labels in graph order.

    Attributes:
      images: `[B, H, H, 3]` in [-1, 1], as given.
      labels: int `[B, n]`, theirs.
      others: int `[B, n]`, in the world of the intervention.
      reconstruction: `[B, H, H, 3]`, from the abducted noise alone.
      error: `[B]` mean absolute error of it, in [0, 2].
      counterfactual: `[B, H, H, 3]`.
    """

    images: np.ndarray
    labels: np.ndarray
    others: np.ndarray
    reconstruction: np.ndarray
    error: np.ndarray
    counterfactual: np.ndarray


def imagine(
    model: Imagination,
    images: np.ndarray,
    rows: np.ndarray,
    do: dict[str, int],
    *,
    residual: bool = True,
    seed: int = 0,
) -> Imagined:
    """Abducts labels and images, substitutes the labels, evaluates."""
    key_labels, key_image = jax.random.split(jax.random.key(seed))
    others = imagination.label_counterfactual(model, rows, do, key_labels)
    found = imagination.abduct(model, jnp.asarray(images), rows, key_image)
    noise = found.noise if residual else without_residual(found.noise)
    drawn = imagination.draw(model, others, noise)
    return Imagined(
        images=images,
        labels=rows,
        others=others,
        reconstruction=np.asarray(found.reconstruction),
        error=np.asarray(found.error),
        counterfactual=np.asarray(drawn),
    )


class Row(NamedTuple):
    """What is known of one label of one unit in the other world.

    Attributes:
      picture: name of the unit.
      label: the label that may change.
      factual: its state.
      shown: its state in the picture.
      coupled: P(shown | factual) by the model's own coupling.
      error: standard error of `coupled`; 0 where it is exact.
      low: lower bound of P(shown | factual) over all couplings.
      high: upper bound.
    """

    picture: str
    label: str
    factual: str
    shown: str
    coupled: float
    error: float
    low: float
    high: float

    def cells(self) -> tuple:
        """The row as a table has it, under `HEADER`."""
        prob = f"{self.coupled:.3f}" + (f" ± {self.error:.3f}" if self.error else "")
        bounds = (f"{self.low:.3f}", f"{self.high:.3f}")
        return (self.picture, self.label, self.factual, self.shown, prob, *bounds)


def bound_rows(
    model: Imagination, names: list[str], found: Imagined, do: dict[str, int]
) -> list[Row]:
    """A row for every label of a unit that the intervention may change.

    Raises:
      ValueError: the labels' law is not explicit, or too many lie below.
    """
    rows, scm = [], model.trained.label_scm
    for i, name in enumerate(names):
        unit = dict(zip(scm.nodes, map(int, found.labels[i]), strict=True))
        asked = _as_indices(unit), _as_indices(do)
        known = bounds.label_bounds(scm, model.trained.label_params, *asked)
        if not known:
            return []
        own = coupled.laws_of_unit(
            scm, model.trained.label_params, *asked, jax.random.key(i)
        )
        for label, by_state in known.items():
            states = scm.states(label)
            shown = int(found.others[i, scm.nodes.index(label)])
            low, high = by_state[shown]
            if shown == unit[label] and low == 1:
                continue  # certain to stay as it was
            law = own[label]
            row = Row(
                picture=name,
                label=label,
                factual=states[unit[label]],
                shown=states[shown],
                # Rounding alone moves an exact value past a bound that it reaches.
                coupled=float(np.clip(law.probs[shown], low, high)),
                error=float(law.error[shown]),
                low=float(low),
                high=float(high),
            )
            rows.append(row)
    return rows


def _as_indices(states: dict[str, int]) -> dict[str, np.ndarray]:
    """Arrays are indices, also where states have numbers for names."""
    return {name: np.asarray(index) for name, index in states.items()}


# --- the page ------------------------------------------------------------------------


def notes(
    model: Imagination, found: Imagined, do: dict[str, int], labels_note: str
) -> list[str]:
    """What has to be said beside the pictures."""
    scm = model.trained.label_scm
    under = set().union(*(nx.descendants(scm.graph, name) for name in do))
    below = [name for name in scm.nodes if name in under and name not in do]
    result = [
        labels_note,
        f"Reconstruction error {found.error.mean():.3f} on average, largest "
        f"{found.error.max():.3f} (mean absolute difference, pixels in [-1, 1]).",
    ]
    if below:
        result.append(
            f"Below {', '.join(do)} lie {', '.join(below)}. What they would have been "
            "is not identified by what is seen: shown is one draw with the model's "
            "coupling of noise and states, bounds hold for every coupling."
        )
    else:
        result.append(
            f"No label lies below {', '.join(do)}: all others stay as they are. That "
            "the rest of the picture keeps its noise is an assumption, not a finding."
        )
    return result


def sheet(model: Imagination, names, found: Imagined, do: dict[str, int]):
    """The picture: a row a unit."""
    scm = model.trained.label_scm
    text = ", ".join(f"{name}={scm.states(name)[v]}" for name, v in do.items())

    def words(rows):
        by_name = {name: rows[:, i] for i, name in enumerate(scm.nodes)}
        return sheets.short_labels(scm, by_name)

    return counterfactuals.counterfactual_sheet(
        {
            "factual": found.images,
            "reconstruction": found.reconstruction,
            "counterfactual": found.counterfactual,
            "difference (grey: none)": counterfactuals.difference(
                found.counterfactual, found.images
            ),
        },
        row_labels=names,
        captions={
            "factual": words(found.labels),
            "reconstruction": [f"error {e:.3f}" for e in found.error],
            "counterfactual": words(found.others),
        },
        title=f"do({text})",
    )


HEADER = ("picture", "label", "was", "shown", "P(shown)", "at least", "at most")
_EXPLAINED = (
    "P(shown) is the probability of the state that is shown, given everything that was "
    "seen of the unit, if noise and states are coupled as this model couples them. In "
    "every other coupling that agrees with the data it lies between the two bounds."
)


def write(path: Path, picture, title: str, texts: list[str], rows: list[Row]) -> None:
    """Writes the picture, or the page around it."""
    if path.suffix == ".png":
        grids.save_png(path, grids.with_notes(picture, [*texts, *_sentences(rows)]))
        return
    result = Page(title).image(picture)
    for text in texts:
        result.text(text)
    if rows:
        result.heading("Labels below the intervention")
        result.text(_EXPLAINED)
        result.table(HEADER, [row.cells() for row in rows])
    result.write(path)


def _sentences(rows: list[Row]) -> list[str]:
    """The bounds for below a picture, as far as they have room there."""
    rows = [row for row in rows if row.low < 0.995]  # 1.00 in every coupling else
    said = [
        f"{row.picture}: {row.label} was {row.factual}, shown {row.shown}: probability "
        f"{row.cells()[4]} in this coupling, {row.low:.3f} to {row.high:.3f} in all."
        for row in rows[:_MAX_SENTENCES]
    ]
    left = len(rows) - len(said)
    return [*said, f"And {left} more: see --out=FILE.html."] if left else said
