"""The parts of the page on the graph: what it assumes, and what follows under do."""

import networkx as nx

from causal_jax.queries.effects import Effects
from causal_jax.recipes.labels_images.label_measures import NUM_ROWS, LabelShown
from causal_jax.reporting import graphs
from causal_jax.reporting.page import Page
from causal_jax.runs.load import IMAGE
from causal_jax.scm import SCM

_MAX_GAPS, _MAX_EFFECTS = 10, 24  # rows that stand open; all are behind a fold
_MAX_NAMES = 12  # in one cell of a table


def add_graph(page: Page, scm: SCM) -> None:
    """Adds the graph, and what a reader must believe to believe the answers."""
    page.heading("The causal graph, and what it assumes")
    page.image(
        graphs.graph_figure(scm.graph),
        "An arrow is a direct cause. All answers under do(...) rest on this graph, "
        "which no data can prove.",
    )
    for sentence in assumptions(scm):
        page.text(sentence)
    labels = [name for name in scm.nodes if name != IMAGE]
    with page.collapsed("Assumptions, label by label"):
        header = (
            "label",
            "direct causes",
            "causes only through these",
            "no cause of it",
        )
        page.table(header, [_assumed(scm, labels, name) for name in labels])


def assumptions(scm: SCM) -> list[str]:
    """What the graph says in words."""
    labels = [name for name in scm.nodes if name != IMAGE]
    texts = [
        "The report assumes that no two labels have a hidden common cause: whatever "
        "causes two of them is itself in the graph. It assumes that a label acts on "
        "another only along the arrows, and never against them."
    ]
    absent = [f"{a} on {b}" for a, b in _without_direct_effect(scm, labels)]
    if absent:
        shown = "; ".join(absent[:_MAX_NAMES])
        more = len(absent) - _MAX_NAMES
        texts.append(
            f"In particular there is no direct effect of {shown}"
            + (f"; and {more} more, listed below." if more > 0 else ".")
        )
    else:
        texts.append(
            "Every two labels are joined by an arrow: what is assumed beyond that is "
            "only the direction of the arrows."
        )
    if IMAGE in scm.nodes:
        texts.append("The image is drawn from the labels and from noise of its own.")
    return texts


def _without_direct_effect(scm: SCM, labels: list[str]) -> list[tuple[str, str]]:
    """(earlier, later) labels without an arrow, in causal order."""
    order = [name for name in scm.order if name in labels]
    return [
        (a, b)
        for i, b in enumerate(order)
        for a in order[:i]
        if a not in scm.parents[b]
    ]


def _assumed(scm: SCM, labels: list[str], name: str) -> tuple[str, ...]:
    direct = scm.parents[name]
    above = nx.ancestors(scm.graph, name)
    through = [n for n in labels if n in above and n not in direct]
    none = [n for n in labels if n not in above and n != name]
    return (name, *(_listed(names) for names in (direct, through, none)))


def _listed(names) -> str:
    shown = ", ".join(names[:_MAX_NAMES]) or "none"
    return shown + (f" and {len(names) - _MAX_NAMES} more" * (len(names) > _MAX_NAMES))


# --- done beside seen -----------------------------------------------------------------


def add(page: Page, scm: SCM, shown: LabelShown, labels: dict) -> None:
    """Adds P(label | do) beside P(label | given), of all pairs of labels."""
    if len(scm.nodes) < 2:
        return
    page.heading("If we set a label, and if we only see it")
    if shown.effects is None:
        page.text(
            "These are too many labels for a table of all pairs. Ask for one: "
            'causal-jax sample --do="LABEL=STATE" --out=FILE.csv.'
        )
        return
    page.text(
        "P(outcome | do(cause = state)) is how many units would have the outcome if we "
        "set the cause for everybody. P(outcome | cause = state) is how many have it "
        "among those in whom the cause came about by itself. They differ where cause "
        "and outcome have a common cause, or where the outcome is the cause. "
        + _accuracy(labels)
    )
    if shown.left_open:
        page.text(_left_open(shown))
    source = shown.tables.source
    effects = _largest_effects(scm, shown)
    if effects:
        page.heading("What setting a label changes", level=3)
        page.table(_header("outcome", source, shown), effects)
    page.heading("Where what is seen misleads most about what is done", level=3)
    page.table(_header("outcome", source, shown), _widest_gaps(scm, shown))
    for name in scm.nodes:
        with page.collapsed(f"{name}, under every intervention on another label"):
            page.text(_who_can(scm, name))
            rows = _rows_of(scm, shown, name)
            page.table(_header("outcome", source, shown), rows)


def _left_open(shown: LabelShown) -> str:
    """Which interventions bring units into what never occurs."""
    largest = sorted(shown.left_open.items(), key=lambda item: -item[1])
    listed = ", ".join(
        f"do({name}) {100 * share:.3g} %" for name, share in largest[:_MAX_NAMES]
    )
    more = len(largest) - _MAX_NAMES
    return (
        "An intervention may bring a label's causes into states that never occur "
        "together; how the label then behaves no row says, and the model guesses. Of "
        f"so many units: {listed}" + (f" and {more} more." if more > 0 else ".")
    )


def _accuracy(labels: dict) -> str:
    if labels["exact"] or labels["tvd"] is None:
        return "The model's values are exact: computed from its tables, not drawn."
    error = 2 * (0.25 / NUM_ROWS) ** 0.5
    return (
        f"The model's values are shares of {NUM_ROWS:,} draws: they are off by "
        f"{error:.4f} at most in 95 % of cases (more, given something rare)."
    )


def _header(first: str, source: str, shown: LabelShown) -> tuple[str, ...]:
    along = source if source == "truth" else "data, along the graph"
    done, seen = ("done: model",), ("seen: model",)
    if shown.reference_effects is not None:
        done, seen = (*done, f"done: {along}"), (*seen, f"seen: {source}")
    return ("cause", first, *done, *seen)


def _who_can(scm: SCM, name: str) -> str:
    above = nx.ancestors(scm.graph, name)
    causes = [n for n in scm.nodes if n in above]
    if not causes:
        return f"Nothing in the graph causes {name}: no intervention changes it."
    return (
        f"In this graph only interventions on {', '.join(causes)} can change {name}; "
        "under all others it stays as it is."
    )


def _rows_of(scm: SCM, shown: LabelShown, name: str) -> list[tuple]:
    return [
        _row(scm, shown, cause, name, state)
        for cause in shown.effects.done
        if cause[0] != name
        for state in _shown_states(scm, name)
    ]


def _largest_effects(scm: SCM, shown: LabelShown) -> list[tuple]:
    """Outcomes that the cause can change, every state of the cause; largest first."""
    done = shown.effects.done
    asked = [
        (cause, name, state)
        for cause in scm.nodes
        for name in scm.nodes
        if cause in nx.ancestors(scm.graph, name)
        for state in _shown_states(scm, name)
    ]

    def size(question) -> float:
        cause, name, state = question
        probs = [done[cause, value][name][state] for value in scm.states(cause)]
        return max(probs) - min(probs)

    rows = [
        _row(scm, shown, (cause, value), name, state)
        for cause, name, state in sorted(asked, key=size, reverse=True)
        for value in scm.states(cause)
    ]
    return rows[:_MAX_EFFECTS]


def _widest_gaps(scm: SCM, shown: LabelShown) -> list[tuple]:
    found = shown.effects
    questions = [
        (cause, name, state)
        for cause, by_label in found.done.items()
        if cause in found.seen and _occurs(shown, cause)
        for name in by_label
        for state in _shown_states(scm, name)
    ]

    def gap(question) -> float:
        cause, name, state = question
        return abs(found.done[cause][name][state] - found.seen[cause][name][state])

    chosen = sorted(questions, key=gap, reverse=True)[:_MAX_GAPS]
    return [_row(scm, shown, *question) for question in chosen]


def _occurs(shown: LabelShown, cause: tuple[str, str]) -> bool:
    """Whether the state is one that is seen, where that is known."""
    return shown.reference_effects is None or cause in shown.reference_effects.seen


def _shown_states(scm: SCM, name: str) -> list[int]:
    """The second state of two (the first is the rest), every one of more."""
    num = len(scm.states(name))
    return [1] if num == 2 else list(range(num))


def _row(scm: SCM, shown: LabelShown, cause: tuple, name: str, state: int) -> tuple:
    both = [shown.effects, shown.reference_effects]
    both = [effects for effects in both if effects is not None]
    outcome = f"{name}={scm.states(name)[state]}"
    probs = [
        _prob(effects, verb, cause, name, state)
        for verb in ("done", "seen")
        for effects in both
    ]
    return (f"{cause[0]}={cause[1]}", outcome, *probs)


def _prob(effects: Effects, verb: str, cause: tuple, name: str, state: int):
    """The probability with three digits; None where the condition never occurs."""
    by_label = getattr(effects, verb).get(cause)
    return None if by_label is None else f"{by_label[name][state]:.3f}"
