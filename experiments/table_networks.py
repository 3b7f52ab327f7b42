"""Makes docs/networks.md: published Bayesian networks, whose every law is known.

    python -m experiments.table_networks --networks=DIR           # all of them
    python -m experiments.table_networks --networks=DIR --only=asia

DIR (or $CAUSAL_JAX_NETWORKS) holds NAME.bif or NAME.bif.gz, as in the repository of
bnlearn. For each network and seed 100,000 rows are drawn from its tables; both label
trainers learn from them, all seeds at once; the reference are the conditional tables
counted in the same rows (add-1/2). One finished network is one row,
docs/results/networks_NAME.json; finished ones are skipped unless `--again`.

What is measured, for each seed:

* TVD from the truth of what is seen and under every single intervention: of the joint
  law where it has at most 2^12 states (exact), else the mean over the tables of all
  pairs of nodes and all families (`metrics.coupled`: 100,000 coupled units).
* Interventions on states with fewer than 100 training rows apart, and so the rows of
  the conditional tables whose parent configuration has fewer.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from causal_jax.cli import command_line
from causal_jax.data.networks import read_bif
from causal_jax.metrics import coupled_sampling, discrete
from causal_jax.networks.controller import controller
from causal_jax.queries import exact, laws
from causal_jax.runs import folder as workdirs
from causal_jax.scm import SCM
from causal_jax.training.label_counts import family_counts, label_counts
from causal_jax.training.label_local_wgan import even_families, label_local_wgan
from causal_jax.training.seeds import fit_seeds
from causal_jax.types import Params
from experiments import networks_page, results, study

NETWORKS = (
    *("asia", "cancer", "earthquake", "survey", "sachs"),
    *("child", "insurance", "alarm", "win95pts", "andes"),
)
# Larger than those: by likelihood alone.
LIKELIHOOD_ONLY = ("hailfinder", "barley", "mildew")
CELLS = (*NETWORKS, *LIKELIHOOD_ONLY)
NUM_ROWS = 100_000
MAX_JOINT = 1 << 12  # larger joint laws are measured by their pairs and families
RARE = 100  # training rows: states and configurations with fewer are apart
_KEY_ROWS, _KEY_TRAIN = 2017, 7

HIDDEN = (32, 32)
MLE = {"num_steps": 3000, "learning_rate": 3e-2, "prior": 0.05}
WGAN = {"num_steps": 2000, "batch_size": 512}


def path_of(name: str, folder: str) -> Path:
    """The file of a network.

    Raises:
      ValueError: no folder was named, or the file is not in it.
    """
    if not folder:
        raise ValueError(
            "no folder of networks: give --networks=DIR or set $CAUSAL_JAX_NETWORKS"
        )
    for ending in (".bif.gz", ".bif"):
        if (path := Path(folder) / f"{name}{ending}").is_file():
            return path
    raise ValueError(f"there is no {name}.bif.gz or {name}.bif in {folder}")


def draw_rows(truth: tuple[SCM, Params], num_seeds: int) -> np.ndarray:
    """A training table of its own for each seed, uint8 [S, N, n]."""
    tables = []
    for seed in range(num_seeds):
        key = jax.random.fold_in(jax.random.key(_KEY_ROWS), seed)
        tables.append(laws.sampled_rows(*truth, key, NUM_ROWS).astype(np.uint8))
    return np.stack(tables)


# --- the methods: (graph's model, rows [S, N, n], name) -> tables of each seed --------


def counted(truth: SCM, rows: np.ndarray, name: str) -> list[Params]:
    """The reference: conditional tables counted in the rows, add-1/2."""
    del name
    return [laws.tabular_fit(truth, table, prior=0.5)[1] for table in rows]


def likelihood(truth: SCM, rows: np.ndarray, name: str) -> list[Params]:
    """Maximum likelihood, full batch."""
    scm = controller(truth.graph, hidden=HIDDEN)
    counts = [family_counts(scm, table) for table in rows]
    data = {node: jnp.asarray([one[node] for one in counts]) for node in scm.nodes}
    return _trained(label_counts(scm, **MLE), data, MLE, scm, f"{name} mle")


def adversarial(truth: SCM, rows: np.ndarray, name: str) -> list[Params]:
    """A critic for each node, with even families beside the rows."""
    scm = controller(truth.graph, hidden=HIDDEN)
    even = np.stack([even_families(table, scm) for table in rows])
    data = {"rows": jnp.asarray(rows), "even_families": jnp.asarray(even)}
    return _trained(label_local_wgan(scm, **WGAN), data, WGAN, scm, f"{name} wgan")


def _trained(algorithm, data, settings: dict, scm: SCM, name: str) -> list[Params]:
    num_seeds = len(jax.tree.leaves(data)[0])
    keys = jax.random.split(jax.random.key(_KEY_TRAIN), num_seeds)
    params = fit_seeds(
        algorithm,
        data,
        keys=keys,
        num_steps=settings["num_steps"],
        data_axis=0,
        stage=name,
    )
    of_seed = [jax.tree.map(lambda x, i=i: x[i], params) for i in range(num_seeds)]
    return [exact.conditional_tables(scm, one)[1] for one in of_seed]


METHODS: dict[str, Callable[..., list[Params]]] = {
    "tabular": counted,
    "mle": likelihood,
    "wgan": adversarial,
}


# --- what is measured -----------------------------------------------------------------


class Rare(NamedTuple):
    """What one training table hardly holds.

    Attributes:
      interventions: bool [interventions], of `single_interventions`.
      configurations: {node: bool [configurations]}.
    """

    interventions: np.ndarray
    configurations: dict[str, np.ndarray]


def rare(scm: SCM, rows: np.ndarray) -> Rare:
    """States and parent configurations with fewer than `RARE` rows."""
    cards = laws.cardinalities(scm)
    states = [np.bincount(rows[:, i], minlength=k) for i, k in enumerate(cards)]
    counts = family_counts(scm, rows)
    return Rare(
        np.concatenate(states) < RARE,
        {name: found[0].sum(-1) < RARE for name, found in counts.items()},
    )


def distance_fn(
    truth: tuple[SCM, Params],
) -> Callable[[Params], coupled_sampling.Distances]:
    """How far tables are from the truth: exact where the joint is small."""
    scm = truth[0]
    if np.prod(laws.cardinalities(scm), dtype=float) > MAX_JOINT:
        return coupled_sampling.Reference(*truth).distances
    true_laws = laws.exact_laws(*truth)

    def distances(params: Params) -> coupled_sampling.Distances:
        found = laws.exact_laws(scm, params)
        done = [discrete.tvd(law, found.done[do]) for do, law in true_laws.done.items()]
        return coupled_sampling.Distances(
            seen=discrete.tvd(true_laws.seen, found.seen), done=np.array(done)
        )

    return distances


def measure(
    found: coupled_sampling.Distances, params: Params, truth: Params, few: Rare
) -> dict:
    """The figures of one seed; None where there is nothing to average."""
    conditional = {False: [], True: []}
    for name, is_few in few.configurations.items():
        tables = [np.asarray(p[name]["probs"], float) for p in (params, truth)]
        tvds = np.abs(tables[0] - tables[1]).sum(-1).ravel() / 2
        for kind, values in conditional.items():
            values.extend(tvds[is_few == kind])
    often, seldom = found.done[~few.interventions], found.done[few.interventions]
    return {
        "tvd": found.seen,
        "do_tvd_mean": float(np.mean(often)),
        "do_tvd_max": float(np.max(often)),
        "rare_do_tvd_mean": float(np.mean(seldom)) if len(seldom) else None,
        "rare_do_tvd_max": float(np.max(seldom)) if len(seldom) else None,
        "row_tvd": float(np.mean(conditional[False])),
        "rare_row_tvd": (
            float(np.mean(conditional[True])) if conditional[True] else None
        ),
    }


def over_seeds(figures: list[dict]) -> dict:
    """{figure: mean and spread over the seeds that have it, all values}."""
    result = {}
    for name in figures[0]:
        values = [one[name] for one in figures if one[name] is not None]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
        mean = float(np.mean(values)) if values else None
        result[name] = {"mean": mean, "std": spread, "values": values}
    return result


def run(args: flags.FlagValues, name: str) -> None:
    """Trains and measures all methods on a network and writes its row."""
    num_seeds = args.num_seeds
    truth = read_bif(path_of(name, args.networks))
    rows = draw_rows(truth, num_seeds)
    few = [rare(truth[0], table) for table in rows]
    distances = distance_fn(truth)
    seconds, metrics = {}, {}
    for method, fit in METHODS.items():
        if method == "wgan" and name in LIKELIHOOD_ONLY:
            continue
        started = time.monotonic()
        tables = fit(truth[0], rows, name)
        seconds[method] = time.monotonic() - started
        figures = [
            measure(distances(params), params, truth[1], seldom)
            for params, seldom in zip(tables, few, strict=True)
        ]
        metrics[method] = over_seeds(figures)
        print(name, method, {k: v["mean"] for k, v in metrics[method].items()})
    row = {
        "command": f"python -m experiments.table_networks --networks=DIR --only={name} "
        f"--num_seeds={num_seeds}",
        "seconds": seconds,
        "note": "see networks.md",
        "network": facts(truth, few),
        "config": {"num_rows": NUM_ROWS, "hidden": HIDDEN, "mle": MLE, "wgan": WGAN},
        "seed": list(range(num_seeds)),
        "metrics": metrics,
    }
    results.write(networks_page.PREFIX + name, row)


def facts(truth: tuple[SCM, Params], few: list[Rare]) -> dict:
    """What the page says about a network; numbers of rare things are means of seeds."""
    scm = truth[0]
    joint = np.prod(laws.cardinalities(scm), dtype=float) <= MAX_JOINT
    law = laws.exact_law(*truth) if joint else None
    configurations = [np.concatenate([*f.configurations.values()]) for f in few]
    return {
        "nodes": len(scm.nodes),
        "measure": "joint, exact" if joint else "pairs and families, coupled",
        "units": None if joint else coupled_sampling.NUM_UNITS,
        "floor": discrete.resampling_floor(law, NUM_ROWS) if joint else None,
        "interventions": len(few[0].interventions),
        "rare_interventions": float(np.mean([f.interventions.sum() for f in few])),
        "configurations": len(configurations[0]),
        "rare_configurations": float(np.mean([c.sum() for c in configurations])),
    }


def write_pages(args: flags.FlagValues) -> None:
    """Writes docs/networks.md."""
    del args
    page = networks_page.markdown(study.finished(networks_page.PREFIX, CELLS))
    workdirs.write_text(results.FOLDER.parent / "networks.md", page)


STUDY = study.Study(
    prefix=networks_page.PREFIX,
    cells=lambda args: CELLS,
    run=run,
    write_pages=write_pages,
    alike=("num_seeds",),
)


def define_flags() -> None:
    study.define_flags(
        only="One network, or those that start so.",
        again="Runs finished networks again.",
    )
    flags.DEFINE_string(
        "networks",
        os.environ.get("CAUSAL_JAX_NETWORKS", ""),
        "Folder of the BIF files; $CAUSAL_JAX_NETWORKS if empty.",
    )
    flags.DEFINE_integer("num_seeds", 5, "Runs of each method, trained at once.", 1)


def main(args: flags.FlagValues) -> None:
    study.main(STUDY, args)


if __name__ == "__main__":
    command_line.run("table_networks", define_flags, main, help_text=__doc__)
