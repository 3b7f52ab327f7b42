"""docs/mnist.md: the tables of the rows that `experiments.table_mnist` made."""

import re
from collections.abc import Iterable

import numpy as np

from causal_jax.data.mnist import VARIANTS
from causal_jax.networks.cgn.composition import PARTS
from causal_jax.runs import folder as workdirs
from experiments import results

PREFIX = "mnist_"

# Test accuracy in % to reach: of official weights, of our own.
OFFICIAL_GOALS = {"colored": 91.6, "double_colored": 87.9, "wildlife": 82.4}
OWN_GOALS = {"colored": 93.0, "double_colored": 88.5, "wildlife": 83.0}
READABILITY = {"colored": 0.97, "double_colored": 0.97, "wildlife": 0.95}
DIVERSITY = 0.8

_HEADER = """# Invariant classifiers from counterfactual pictures

Made by `python -m experiments.table_mnist --textures=DIR --official=DIR` (one cell:
`--only=CELL`) from the rows in `docs/results/mnist_*.json`. Classifiers of the digit's
shape, ten epochs, trained on what the row says: *counterfactual* is 100,000 pictures
drawn by a counterfactual generative network that was trained from scratch, with fresh
noise for each and no original among them; *official* the same of the published weights.
Accuracy in %, where colours or textures tell nothing: *t10k* on MNIST's own test
digits, *reference* on the last sixth of the training digits, as the reference code has
it, though in tfds's order, which is another (`colored`: both are the same). *In
domain*: on the t10k digits coloured as in training. *Distinct*: double-coloured digits
whose background has another colour than they; one in ten has the same and can only be
told by the jitter. A seed is one training of the network and one of the classifier;
mean ± standard deviation over the seeds.

*original* is what the data show, 50,000 pictures (`colored` 60,000), *gan* 100,000
pictures of an ordinary conditional GAN; *original_gan* and *original_cgn* are both
together, ten epochs of them, half as many steps again as of 100,000. *irm* invariant
risk minimisation of the originals in two environments, in the second of which one
picture in ten has colours or textures of any class: one in twenty of all, which no
other row is shown. Ablations are of double-coloured digits: the network without the
masks' entropy, without the shuffler, with a style loss; 10^4 pictures in ten epochs, or
10^6 of which each is seen once in as many steps as 10^5 take; *no_penalty* the same two
environments without IRM's penalty. Two are of wildlife, whose network is trained twice
as long, and four times, that with masks drawn with .85 of the noise's deviation instead
of .8 (chosen by how well they are read). A row that names a GPU was made there, with
its default products (TF32); the others on one or two CPU cores, often beside other
work: their seconds are no measure of speed. GPU rows are a cell's beside its row of the
CPU, named `_gpu` by hand.

| trained on | set | seeds | t10k | reference | distinct, t10k | in domain | \
to reach | classifier s |
|---|---|---|---|---|---|---|---|---|
"""

_NETWORKS = """
## The networks

*Read*: a classifier of real binary digits (its accuracy on held-out ones in brackets)
reads the label off the masks. *Diversity*: mean distance of two masks of a class over
that of two real digits. *Inverted*: masks that show the background. *Colour error*:
mean absolute difference of the classes' mean colours from the true ones, in [0, 2], and
*spread* how much the colours of one class vary over how much the true ones do,
foreground / background (wildlife's foregrounds: whole textures against what shows of
the true ones in the digit, of which perfect ones read .66). *Collapsed*: runs of which
one of these says so. *To reach*: masks read and their diversity, in the mean of the
seeds; the deviation of the masks' noise was chosen by these two.

| network | seeds | steps | read | diversity | mean | inverted | colour error | \
spread | collapsed | to reach | s |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""


def write() -> None:
    """Writes docs/mnist.md."""
    page = markdown(results.rows(PREFIX))
    workdirs.write_text(results.FOLDER.parent / "mnist.md", page)


def markdown(rows: list[dict]) -> str:
    """The page, from finished rows."""
    groups: dict[str, list[dict]] = {}
    for row in rows:
        groups.setdefault(without_seed(row["cell"]), []).append(row)
    classifiers = {n: g for n, g in groups.items() if "train_on" in g[0]["config"]}
    networks = {n: g for n, g in groups.items() if n not in classifiers}
    lines = [_classifier_line(name, group) for name, group in classifiers.items()]
    page = _HEADER + "\n".join([*lines, ""])
    lines = [_network_line(name, group) for name, group in networks.items()]
    return page + _NETWORKS + "\n".join([*lines, ""])


def without_seed(cell: str) -> str:
    """A cell's name without its seed."""
    return re.sub(r"_seed\d+$", "", cell.removeprefix(PREFIX))


def _classifier_line(name: str, group: list[dict]) -> str:
    config, digits = group[0]["config"], [row["metrics"]["digits"] for row in group]
    variant = config["variant"]
    goals = {"official": OFFICIAL_GOALS, "counterfactual": OWN_GOALS}
    goal = goals.get(name.partition("_")[0], {}).get(variant)
    drawn = _is_drawn(config)
    accuracy = [100 * one["accuracy_t10k"] for one in digits]
    reference = _percent(digits, "accuracy_reference")
    if goal is None or drawn:
        verdict = "-"
    else:
        verdict = f"{goal:g}: {'met' if np.mean(accuracy) >= goal else '**missed**'}"
    cells = (
        _title(name, group),
        variant + (" (drawn textures)" if drawn else ""),
        str(len(group)),
        _percent(digits, "accuracy_t10k"),
        reference if variant != "colored" else "same",
        _percent(digits, "distinct_t10k"),
        _percent(digits, "in_domain_t10k"),
        verdict,
        _seconds(group),
    )
    return f"| {' | '.join(cells)} |"


def _network_line(name: str, group: list[dict]) -> str:
    digits = [row["metrics"]["digits"] for row in group]
    has_masks = "mask_mean" in digits[0]
    reader = f" ({digits[0]['reader_accuracy']:.3f})" if has_masks else ""
    colours = [
        " / ".join(_number(digits, f"{part}_{what}") for part in PARTS[1:])
        if has_masks
        else "-"
        for what in ("error", "spread")
    ]
    collapsed = sum(bool(one.get("collapsed")) for one in digits)
    cells = (
        _title(name, group),
        str(len(group)),
        f"{group[0]['config']['num_steps']:,}",
        _number(digits, "mask_readability") + reader,
        _number(digits, "mask_diversity"),
        _number(digits, "mask_mean"),
        _number(digits, "mask_inverted"),
        *colours,
        f"{collapsed} of {len(group)}" if has_masks else "-",
        _masks_verdict(name, group),
        _seconds(group),
    )
    return f"| {' | '.join(cells)} |"


def _masks_verdict(name: str, group: list[dict]) -> str:
    """Whether masks are read and differ as they should, in the mean over the seeds."""
    config = group[0]["config"]
    if not name.startswith(f"cgn_{config['variant']}") or _is_drawn(config):
        return "-"
    readability = READABILITY[config["variant"]]
    digits = [row["metrics"]["digits"] for row in group]
    read = [one["mask_readability"] for one in digits]
    diversity = np.mean([one["mask_diversity"] for one in digits])
    is_met = np.mean(read) >= readability and diversity >= DIVERSITY
    verdict = "met" if is_met else "**missed**"
    below = sum(one < readability for one in read)
    among = f" (read less: {below} of {len(group)})" if below else ""
    return f"{readability:g}, {DIVERSITY:g}: {verdict}{among}"


def _is_drawn(config: dict) -> bool:
    """Whether a row's textures are drawn ones, of which nothing is to be reached."""
    return config["variant"] == VARIANTS[2] and config["textures"] == "drawn"


def _title(name: str, group: list[dict]) -> str:
    notes = sorted({row["note"] for row in group if row.get("note")})
    return f"`{name}`" + (f" ({'; '.join(notes)})" if notes else "")


def _percent(digits: list[dict], key: str) -> str:
    return _mean_and_spread((100 * one[key] for one in digits if key in one), 2)


def _number(digits: list[dict], key: str) -> str:
    return _mean_and_spread((one[key] for one in digits if one.get(key) is not None), 3)


def _mean_and_spread(values: Iterable[float], places: int) -> str:
    found = list(values)
    if not found:
        return "-"
    spread = f" ± {np.std(found, ddof=1):.{places}f}" if len(found) > 1 else ""
    return f"{np.mean(found):.{places}f}{spread}"


def _seconds(group: list[dict]) -> str:
    return f"{np.mean([sum(row['seconds'].values()) for row in group]):.0f}"
