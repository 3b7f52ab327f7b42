"""The part of the page that holds what `causal-jax soundness` found, if it was run."""

import json
from pathlib import Path

from causal_jax.metrics.intervals import Interval
from causal_jax.recipes.labels_images.imagination import image_step
from causal_jax.reporting.page import Page

# {quantity: what it says}; those of a truth are there only where one is known.
MEANING = {
    "composition_1": "change of the picture when nothing is changed, once (0 is best)",
    "composition_10": "the same ten times in a row (0 is best)",
    "effective": "the changed label reads as it was set, share of cases",
    "kept": "the other labels read as they should be, share",
    "reversibility": "change of the picture there and back again (0 is best)",
    "nearer": "nearer to the true counterfactual than the given picture is, share",
    "changed": "distance from the truth, where the truth changes",
    "factual": "distance of the given picture from the truth there, to compare with",
    "rest": "distance from the truth, where the truth does not change",
}


def add(page: Page, workdir: Path) -> None:
    """Adds the figures and the sheet; without them, the command that makes them."""
    page.heading("Imagine: given pictures, as they would have been")
    path, picture = workdir / "soundness.json", workdir / "soundness.png"
    if not path.is_file():
        page.text(
            "How good imagined pictures are has not been measured for this run. This "
            "takes some minutes; evaluate puts the result here:"
        )
        page.code(
            f"causal-jax soundness --workdir={workdir}\n"
            f"causal-jax evaluate --workdir={workdir}"
        )
        return
    figures = json.loads(path.read_text(encoding="utf-8"))
    composed = figures.get("composition_num_per_stratum")  # older figures lack some
    if (step := figures.get("step")) not in (None, now := image_step(workdir)):
        page.text(f"These are of step {step:,}; the run is at {now:,}: measure again.")
    left_out = figures.get("left_out") or []
    page.text(
        f"{figures['num_per_stratum'] * figures['strata']:,} cases: a picture that was "
        + ("trained on" if figures.get("were_trained_on") else "held out")
        + " and one label changed, as often from each state to the other"
        + (f", but for {', '.join(left_out)} (too few pictures)" if left_out else "")
        + (f" (composition: of {composed * figures['strata']:,})" if composed else "")
        + ". Distances are mean absolute differences of pixels in [-1, 1]; in brackets "
        "are 95 % intervals. With the residual, what the generator cannot draw of a "
        "picture is kept where the labels do not move it; the generator alone has only "
        "what it can draw."
    )
    page.table(("measured", *figures["variants"], "meaning"), _rows(figures))
    if picture.is_file():
        page.image(picture.read_bytes(), _caption(figures))


def _rows(figures: dict) -> list[tuple]:
    variants = [variant["all"] for variant in figures["variants"].values()]
    return [
        (
            quantity.replace("_", " "),
            *(str(Interval(**variant[quantity])) for variant in variants),
            MEANING.get(quantity, ""),
        )
        for quantity in variants[0]
    ]


def _caption(figures: dict) -> str:
    has_truth = "nearer" in next(iter(figures["variants"].values()))["all"]
    last = (
        "the true counterfactual and the difference from it"
        if has_truth
        else "its difference from the given picture"
    )
    return (
        "One case per label and state: the given picture, what the generator draws of "
        f"it, the imagined picture, {last}; grey is no difference."
    )
