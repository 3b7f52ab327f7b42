"""What a label model reached: the `labels` part of a run's metrics.json."""

from typing import NamedTuple

import jax
import networkx as nx
import numpy as np

from causal_jax.metrics import conditionals, discrete, pairs, trees
from causal_jax.queries import effects, laws, positivity
from causal_jax.queries.effects import Effects
from causal_jax.recipes.labels_images import data, label_stage
from causal_jax.recipes.labels_images.model import Trained

KEY = 77  # the evaluation's draws are the same for every run
NUM_PAIRS = 36  # listed and shown: all pairs of nine labels
_MAX_LEFT_OPEN = 0.01  # of an interventional law whose values are still shown
_MIN_ROWS = 25  # of a cell of the conditional tables that is compared
NUM_ROWS = 500_000  # of a law that is not enumerated


class LabelShown(NamedTuple):
    """What the report shows of the labels beside the metrics.

    Attributes:
      tables: the model's small tables and those they are compared with.
      worst: the worst cells of the conditional tables; None if there are none.
      effects: what is done beside what is seen, by the model; None where there are too
        many labels.
      reference_effects: the same of the truth or, along the graph, of the data; None
        where the joint law is too large.
      left_open: {"Node=state": share of the units under that intervention of whom no
        row tells, since a node's parents have states that never occur together}; of
        interventions where there are some.
      num_rows: of the table that chance is measured for: the one trained on or, where
        all rows are compared, of all.
      is_truth_known: whether the law that the rows were drawn from is known.
    """

    tables: pairs.Compared
    worst: conditionals.WorstCells | None
    effects: Effects | None
    reference_effects: Effects | None
    left_open: dict[str, float]
    num_rows: int
    is_truth_known: bool


def label_metrics(trained: Trained, labels: data.Labels) -> tuple[dict, LabelShown]:
    """The `labels` part of metrics.json, and what the report shows of the labels."""
    scm, params = trained.label_scm, trained.label_params
    run = trained.run
    scores = label_stage.trial_scores(run.config, run.workdir, labels.rows, scm)
    trainer = max(scores, key=scores.get) if scores else run.config.trainer
    result = {"trainer": trainer, "rows": len(labels.rows)}
    if scores:
        result["trial_log_likelihoods"] = scores
    found, shown = (_small if laws.is_small(scm) else _large)(trained, labels)
    result |= found | _worst_metrics(shown.worst)
    explicit = all(hasattr(m, "log_prob") for m in scm.mechanisms.values())
    if len(labels.held_out) and explicit:
        tree = trees.chow_liu(labels.graph, labels.rows)
        result["held_out_log_likelihood"] = laws.mean_log_likelihood(
            scm, params, labels.held_out
        )
        result["tree_log_likelihood"] = laws.mean_log_likelihood(*tree, labels.held_out)
    return result | table_metrics(shown.tables), shown


def _worst_metrics(worst: conditionals.WorstCells | None) -> dict:
    """The worst cells as metrics.json has them."""
    if worst is None:
        names = ("conditional_max", "conditional_relative_max", "worst_conditionals")
        return dict.fromkeys(names)
    cells = {
        name: {"cell": str(cell), **cell._asdict(), "difference": cell.difference}
        for name, cell in worst._asdict().items()
    }
    return {
        "conditional_max": worst.absolute.difference,
        "conditional_relative_max": worst.relative.relative,
        "worst_conditionals": cells,
    }


def least_mass(num_rows: int) -> float:
    """Of a cell: with fewer rows in it, chance alone is a fifth of its probability."""
    return max(conditionals.MIN_MASS, _MIN_ROWS / num_rows)


def _small(trained: Trained, labels: data.Labels) -> tuple[dict, LabelShown]:
    """Of a joint law that can be written down."""
    scm = trained.label_scm
    key = jax.random.key(KEY)
    model = laws.model_laws(scm, trained.label_params, key, num_samples=NUM_ROWS)
    reference, source = reference_laws(trained, labels)
    measured = discrete.compare(model, reference)
    # A table of few rows lacks most of its law: drawn from again, it lies nearer to
    # itself than it does to any law. So the data are compared with tables that the
    # model itself draws.
    drawn_from = reference if source == "truth" else model
    chance = discrete.chance(scm, drawn_from, len(labels.rows))
    tables = pairs.Compared(
        model=pairs.tables_of_law(scm, model.seen)
        if model.exact
        else pairs.tables_of_rows(scm, model.rows),
        reference=pairs.tables_of_law(scm, reference.seen),
        source=source,
    )
    known = {"params": trained.label_params} if model.exact else {"drawn": model.rows}
    left_open = positivity.left_open_by_laws(scm.graph, scm, reference)
    left_open = {name: share for name, share in left_open.items() if share > 0}
    shown = LabelShown(
        tables=tables,
        worst=conditionals.worst_cells_of_law(
            scm, reference.seen, min_mass=least_mass(len(labels.rows)), **known
        ),
        effects=effects.effects_of_laws(scm, model),
        reference_effects=effects.effects_of_laws(scm, reference)
        if source == "truth"
        else _said(effects.effects_of_laws(scm, reference), left_open),
        left_open=left_open,
        num_rows=len(labels.rows),
        is_truth_known=labels.truth is not None,
    )
    found = measured._asdict() | chance._asdict() | {"left_open": left_open}
    if source == "truth" and model.exact:
        found["never_max"] = conditionals.largest_never(
            scm, reference.seen, trained.label_params
        )
    return found, shown


def _said(found: effects.Effects, left_open: dict[str, float]) -> effects.Effects:
    """Without what is done where the reference does not say it of one in a hundred."""
    done = {
        cause: by_label
        for cause, by_label in found.done.items()
        if left_open.get("=".join(cause), 0) < _MAX_LEFT_OPEN
    }
    return found._replace(done=done)


def _large(trained: Trained, labels: data.Labels) -> tuple[dict, LabelShown]:
    """Of a joint law that cannot: by the tables of all pairs of nodes."""
    scm = trained.label_scm
    everything = np.concatenate([labels.rows, labels.held_out])
    num = max(len(everything), NUM_ROWS)
    params = trained.label_params
    drawn = laws.sampled_rows(scm, params, jax.random.key(KEY), num)
    measured = discrete.compare_pairs(everything, drawn, laws.cardinalities(scm))
    result = {
        **dict.fromkeys(("tvd", "do_tvd_mean", "do_tvd_max", "floor")),
        "by_intervention": {},
        "floor_by_intervention": {},
        "exact": False,
        "pair_tvd_mean": measured.mean,
        "pair_tvd_max": measured.max,
        "pair_floor": measured.floor,
    }
    tables = pairs.Compared(
        model=pairs.tables_of_rows(scm, drawn),
        reference=pairs.tables_of_rows(scm, everything),
        source="data",
    )
    is_explicit = all(hasattr(m, "log_prob") for m in scm.mechanisms.values())
    known = {"params": params} if is_explicit else {"drawn": drawn}
    shown = LabelShown(
        tables=tables,
        worst=conditionals.worst_cells(
            scm, everything, min_mass=least_mass(len(everything)), **known
        ),
        effects=effects.effects_by_elimination(scm, params) if is_explicit else None,
        reference_effects=None,
        left_open={},
        num_rows=len(everything),
        is_truth_known=labels.truth is not None,
    )
    return result, shown


def reference_laws(trained: Trained, labels: data.Labels) -> tuple[laws.Laws, str]:
    """What a label model should be, and whose laws these are: "truth" or "data".

    Where the truth is not known, what is seen is the data's own joint table, and what
    is done is the product of the data's conditional tables along the graph.
    """
    truth = labels.truth
    scm = trained.label_scm
    if truth and nx.utils.graphs_equal(*map(_bare, (labels.graph, truth[0].graph))):
        return laws.exact_laws(*truth, order=scm.nodes), "truth"
    fitted = laws.exact_laws(*laws.tabular_fit(scm, labels.rows))
    seen = laws.empirical_law(labels.rows, laws.cardinalities(scm))
    return fitted._replace(seen=seen), "data"


def _bare(graph: nx.DiGraph) -> nx.DiGraph:
    """Its nodes and edges, whatever is said of them."""
    result = nx.DiGraph()
    result.add_nodes_from(graph)
    result.add_edges_from(graph.edges)
    return result


def table_metrics(tables: pairs.Compared) -> dict:
    """Marginals of every node and the largest TVDs of pairs, as metrics.json has it."""
    tvds = pairs.pair_tvds(tables.model, tables.reference)
    return {
        "marginals": {
            name: {
                "model": np.round(model, 6).tolist(),
                tables.source: np.round(tables.reference.marginals[name], 6).tolist(),
            }
            for name, model in tables.model.marginals.items()
        },
        "largest_pair_tvds": {
            ", ".join(pair): tvds[pair] for pair in pairs.largest(tvds, NUM_PAIRS)
        },
    }
