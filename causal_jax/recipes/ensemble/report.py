"""The page of a run of this family: what was found, in sentences, tables, pictures."""

from causal_jax.networks.resnet import ENSEMBLE
from causal_jax.recipes.ensemble.measures import Shown
from causal_jax.recipes.ensemble.model import PLAIN_HEAD
from causal_jax.recipes.recipe import Run
from causal_jax.reporting import grids
from causal_jax.reporting.page import Page

_COLUMNS = 6
_HEADINGS = {
    "validation": "Held-out real pictures",
    "counterfactual": "Held-out counterfactual pictures",
    "cue_conflict": "Shape against texture",
    "backgrounds": "Other backgrounds",
}
_ABOUT = {
    "validation": "The share of pictures whose label is the largest logit (top1), or "
    "among the five largest (top5).",
    "counterfactual": "The share of pictures of which a head tells its own label.",
    "cue_conflict": "Pictures with the shape of one class and the texture of another. "
    "The shape bias is the share of shapes among those of which either was told.",
    "backgrounds": "Objects on their own background, on another of the same class "
    "(mixed_same) and on one of any class (mixed_rand). The gap is what the latter "
    "costs against the former.",
}
_PICTURES = {
    "validation": "Held-out real pictures",
    "counterfactual": "Held-out counterfactual pictures",
    "cue_conflict": "Pictures in conflict",
}


def page(run: Run, metrics: dict, shown: Shown) -> Page:
    """The report of a run."""
    config = run.config
    kind = "a plain classifier" if config.plain else "the invariant ensemble"
    result = Page(f"{config.name}: {kind} on {config.dataset}")
    for sentence in found(metrics, is_plain=config.plain):
        result.text(sentence)
    steps, seconds = (metrics[name].get("ensemble", 0) for name in ("steps", "seconds"))
    result.text(
        f"Trained for {steps} steps of {config.batch_size} real pictures"
        + ("" if config.plain else f" and counterfactuals of {config.counterfactuals}")
        + f", {seconds:.0f} s; seed {metrics['seed']}, configuration "
        f"{metrics['config_hash']}. Behind +- stands the standard error."
    )
    for part, heading in _HEADINGS.items():
        if part in metrics:
            result.heading(heading)
            result.text(_ABOUT[part])
            result.table(*table(metrics[part]))
    _pictures(result, shown)
    return result


def found(metrics: dict, *, is_plain: bool) -> list[str]:
    """What was found, a sentence each.

    >>> metrics = {"validation": {"class/top1": 0.5, "class/top1_error": 0.01}}
    >>> found(metrics, is_plain=True)
    ['It tells the class of 50.0 +- 1.0 % of the held-out real pictures.']
    >>> metrics = {"validation": {"average/top1": 0.5, "average/top1_error": 0.01}}
    >>> told = {"shape/accuracy": 0.2, "shape/accuracy_error": 0.01}
    >>> metrics["counterfactual"] = told
    >>> found(metrics, is_plain=False)[1]
    'Of held-out counterfactual pictures the heads tell the shape of 20.0 +- 1.0 %.'
    """
    head = PLAIN_HEAD if is_plain else "average"
    real = _percent(metrics["validation"], f"{head}/top1")
    by = "It tells" if is_plain else "The mean of the heads tells"
    result = [f"{by} the class of {real} of the held-out real pictures."]
    if "counterfactual" in metrics:
        told = metrics["counterfactual"]
        parts = [
            f"the {one} of {_percent(told, f'{one}/accuracy')}"
            for one in ENSEMBLE
            if f"{one}/accuracy" in told
        ]
        result.append(
            f"Of held-out counterfactual pictures the heads tell {', '.join(parts)}."
        )
    if "cue_conflict" in metrics:
        result.append(_bias_said(metrics["cue_conflict"], is_plain))
    if "backgrounds" in metrics:
        gap = _percent(metrics["backgrounds"], "gap")
        loses = (
            "it loses"
            if is_plain
            else "the mean of the heads of shape and texture loses"
        )
        result.append(
            f"On a background of another class {loses} "
            f"{gap.removesuffix(' %')} points of accuracy against one of the same."
        )
    return result


def _bias_said(values: dict, is_plain: bool) -> str:
    if is_plain:
        return (
            "Where shape and texture conflict, "
            f"{_percent(values, f'{PLAIN_HEAD}/shape_bias')} of what it tells is the "
            "shape."
        )
    said = [f"{one}: {_percent(values, f'{one}/shape_bias')}" for one in ENSEMBLE]
    return (
        "Where shape and texture conflict, so much of what a head tells is the shape: "
        f"{'; '.join(said)}."
    )


def _percent(values: dict, name: str) -> str:
    value, error = values[name], values[f"{name}_error"]
    if value is None:
        return "none"
    return f"{100 * value:.1f} +- {100 * error:.1f} %"


def table(values: dict) -> tuple[tuple[str, ...], list[tuple]]:
    """Header and rows, one row per head and one column per figure.

    >>> table({"gap": 0.1, "gap_error": 0.01, "a/top1": 0.5, "a/top1_error": 0.02,
    ...        "a/gap": 0.1, "a/gap_error": 0.01})
    (('head', 'top1, %', 'gap, %'), [('a', '50.0 +- 2.0', '10.0 +- 1.0')])
    """
    heads, columns = {}, {}
    names = [name for name in values if "/" in name and f"{name}_error" in values]
    for name in names:
        head, _, column = name.partition("/")
        columns[column] = None
        heads.setdefault(head, {})[column] = _percent(values, name).removesuffix(" %")
    rows = [
        (head.replace("_", " "), *(found.get(column, "") for column in columns))
        for head, found in heads.items()
    ]
    return ("head", *(f"{c.replace('_', ' ')}, %" for c in columns)), rows


def _pictures(result: Page, shown: Shown) -> None:
    if not len(shown.images):
        return
    is_one = len(shown.decisions) == 1
    result.heading("What it reads" if is_one else "What each head reads")
    captions = [
        "; ".join(
            [
                f"({truth})",
                *(f"{head}: {said[i]}" for head, said in shown.decisions.items()),
            ]
        )
        for i, truth in enumerate(shown.truth)
    ]
    what = "and what is read in them" if is_one else "of which the heads differ"
    result.image(
        grids.grid(shown.images, captions=captions, columns=_COLUMNS),
        f"{_PICTURES[shown.kind]}, {what}; in brackets what the labels say.",
    )
