"""Questions to causal graphs: ours against pgmpy and dowhy.

Networks are read by both from the same file, linear models have the same weights, and
what is drawn is compared: marginals within six standard errors, and within five of
their exact law where the opponent computes that.
"""

import argparse
import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import ROOT, Comparison
from causal_jax import SCM, Tabular, linear
from causal_jax import graph as graphs
from causal_jax.data import networks

ROWS, UNITS, POSTERIOR_UNITS, ASKED = 100_000, 1_000_000, 10_000, 2
REPEATED = 20_000  # draws for one unit that are compared with its exact law
DO = {"HYPOVOLEMIA": "TRUE"}
EVIDENCE = ("BP", "HRBP", "EXPCO2", "PRESS")
EDGES = (("A", "B"), ("A", "C"), ("B", "C"), ("C", "D"), ("B", "E"), ("D", "E"))
WEIGHTS = {"B": [0.8], "C": [0.5, -0.7], "D": [1.2], "E": [0.4, 0.9]}
KEY = jax.random.key(0)


def comparisons(args: argparse.Namespace) -> dict[str, Callable[[], Comparison]]:
    """{name: makes it}; those of networks only where their files are."""
    found: dict[str, Callable[[], Comparison]] = {}
    folder = Path(args.networks) if args.networks else None
    if folder and (folder / "alarm.bif.gz").is_file():
        found["alarm_do"] = lambda: alarm_do(folder / "alarm.bif.gz")
        found["alarm_posterior"] = lambda: alarm_posterior(folder / "alarm.bif.gz")
    found["linear_do"] = linear_do
    found["linear_counterfactual"] = linear_counterfactual
    found["grid_1"] = lambda: grid(1)
    found["grid_1000"] = lambda: grid(1000)
    what = "a chain of 300 nodes, a first answer"
    found["chain"] = lambda: fresh(what, "chain", must=8, goal=4)
    for question in ("do", "counterfactual"):
        found[f"chain_{question}"] = lambda q=question: fresh(
            f"the same, then {q} at another node", "chain", q, must=8, goal=4
        )
    if folder and (folder / "munin.bif.gz").is_file():
        file = str(folder / "munin.bif.gz")
        found["munin_first"] = lambda: fresh(
            f"munin (1,041 nodes), {ROWS:,} rows, a first answer",
            file,
            must=10,
            goal=5,
        )
        found["munin_warm"] = lambda: munin_warm(file)
    return found


# --- networks -------------------------------------------------------------------------


def alarm_do(file: Path) -> Comparison:
    scm, params = networks.read_bif(file)
    names = [name for name in scm.nodes if name not in DO]

    def timed() -> dict:
        return jax.block_until_ready(scm.sample(params, KEY, num=ROWS, do=DO))

    def check(drawn: dict, theirs: list) -> None:
        ours = [float((np.asarray(drawn[name]) == 0).mean()) for name in names]
        require_close(ours, theirs, ROWS, names)

    first = [scm.states(name)[0] for name in names]
    return Comparison(
        what=f"alarm (37 nodes), do, {ROWS:,} rows, against pgmpy's simulate",
        ours=timed,
        opponent="pgmpy_simulate",
        settings={
            "file": str(file),
            "num": ROWS,
            "do": DO,
            "names": names,
            "first": first,
        },
        must=150,
        goal=250,
        check=check,
        rounds=3,
    )


def alarm_posterior(file: Path) -> Comparison:
    """Units that share a pattern of observed nodes, each with states of its own.

    pgmpy computes the marginals of a unit's hidden nodes, in the faster of two ways: a
    junction tree calibrated with its evidence, or a query for each node. Ours draws
    from their joint law; of draws with the first unit's evidence, `REPEATED` of them,
    the marginals are pgmpy's within five standard errors.
    """
    scm, params = networks.read_bif(file)
    seen = scm.sample(params, KEY, num=POSTERIOR_UNITS)
    factual = {name: seen[name] for name in EVIDENCE}
    states = {name: scm.states(name) for name in scm.nodes if name not in EVIDENCE}

    def timed() -> dict:
        return jax.block_until_ready(scm.counterfactual(params, KEY, factual))

    @functools.cache
    def shares() -> list:
        """How often each state of each hidden node is in draws for the first unit."""
        first = {name: jnp.repeat(seen[name][:1], REPEATED) for name in EVIDENCE}
        drawn = scm.counterfactual(params, KEY, first)
        return [
            float((np.asarray(drawn[name]) == i).mean())
            for name in states
            for i in range(len(states[name]))
        ]

    def check(found: dict, theirs: list) -> None:
        del found
        names = [f"{name}={state}" for name in states for state in states[name]]
        require_shares(shares(), theirs, REPEATED, names)

    rows = [
        {name: scm.states(name)[int(seen[name][i])] for name in EVIDENCE}
        for i in range(ASKED)
    ]
    return Comparison(
        what=f"alarm, posterior draws of {len(states)} hidden nodes for "
        f"{POSTERIOR_UNITS:,} units, against pgmpy's marginals of {ASKED} of them",
        ours=timed,
        opponent="pgmpy_posterior",
        settings={"file": str(file), "rows": rows, "states": states},
        must=50,
        goal=200,
        check=check,
        times=POSTERIOR_UNITS / ASKED,
        rounds=3,
    )


def munin_warm(file: str) -> Comparison:
    scm, params = networks.read_bif(file)

    def timed() -> None:
        jax.block_until_ready(scm.sample(params, KEY, num=ROWS))

    return Comparison(
        what=f"munin, {ROWS:,} rows, warm", ours=timed, must=3, goal=2, rounds=3
    )


# --- numbers --------------------------------------------------------------------------


def linear_model() -> tuple[SCM, dict]:
    made = {"A": linear.linear_gaussian([], scale=1.0)}
    made |= {n: linear.linear_gaussian(w, scale=1.0) for n, w in WEIGHTS.items()}
    scm = SCM(graphs.build(EDGES), {name: each[0] for name, each in made.items()})
    return scm, {name: each[1] for name, each in made.items()}


def linear_do() -> Comparison:
    scm, params = linear_model()

    def timed() -> dict:
        drawn = scm.sample(params, KEY, num=UNITS, do={"B": 1.0})
        return jax.block_until_ready(drawn)

    def check(drawn: dict, theirs: list) -> None:
        ours = [float(np.mean(np.asarray(drawn[name], float))) for name in "ACDE"]
        require_close(ours, theirs, UNITS / 10, "ACDE")  # variances up to ten

    return Comparison(
        what=f"linear, 5 nodes, do, {UNITS:,} units, against dowhy.gcm",
        ours=timed,
        opponent="dowhy_do",
        settings={"edges": EDGES, "weights": WEIGHTS, "num": UNITS},
        must=5,
        goal=10,
        check=check,
    )


def linear_counterfactual() -> Comparison:
    scm, params = linear_model()
    factual = jax.block_until_ready(scm.sample(params, KEY, num=UNITS))

    def timed() -> dict:
        found = scm.counterfactual(params, KEY, factual, do={"B": 1.0})
        return jax.block_until_ready(found)

    def check(found: dict, theirs: list) -> None:
        ours = [float(np.asarray(found[name][:5]).sum()) for name in "ABCDE"]
        np.testing.assert_allclose(ours, theirs, atol=1e-3)

    first = {name: np.asarray(factual[name][:5]).tolist() for name in "ABCDE"}
    return Comparison(
        what=f"the same, counterfactuals of {UNITS:,} units",
        ours=timed,
        opponent="dowhy_counterfactual",
        settings={"edges": EDGES, "weights": WEIGHTS, "num": UNITS, "first": first},
        must=20,
        goal=30,
        check=check,
    )


def grid(units: int) -> Comparison:
    """A thousand interventions in one call, against a loop of compiled calls.

    Both again and again: a call of microseconds by itself finds its threads asleep.
    """
    scm, params = linear_model()
    values = jnp.linspace(-1, 1, 1000)

    def one(value):
        return scm.sample(params, KEY, num=units, do={"B": value})["E"].mean()

    together, alone = jax.jit(jax.vmap(one)), jax.jit(one)
    separate = list(values)
    count = 100 if units == 1 else 10

    def call() -> np.ndarray:
        for _ in range(count):
            found = np.asarray(together(values))
        return found

    def loop() -> np.ndarray:
        for _ in range(count):
            found = np.array(jax.device_get([alone(value) for value in separate]))
        return found

    return Comparison(
        what=f"1,000 interventions in one call, {units:,} units each, against a loop "
        "of calls of one compiled function",
        ours=call,
        theirs=loop,
        must=500 if units == 1 else 11,
        count=count,
        check=lambda ours, theirs: np.testing.assert_allclose(ours, theirs, atol=1e-4),
    )


def require_close(ours: list, theirs: list, num: float, names) -> None:
    """Raises where two shares or means differ by six standard errors."""
    for name, a, b in zip(names, ours, theirs, strict=True):
        error = 6 * np.sqrt(2 / num)
        if abs(a - b) > error:
            raise ValueError(
                f"{name}: ours {a:.4f}, theirs {b:.4f}, allowed {error:.4f}"
            )


def require_shares(ours: list, exact: list, num: int, names) -> None:
    """Raises where a share of `num` draws is five standard errors off its law."""
    for name, share, p in zip(names, ours, exact, strict=True):
        error = 5 * np.sqrt(p * max(1 - p, 0) / num) + 1e-6
        if not abs(share - p) <= error:
            raise ValueError(
                f"{name}: ours {share:.4f}, exact {p:.4f}, allowed {error:.4f}"
            )


# --- first answers, each in a process of its own --------------------------------------


def fresh(
    what: str, model: str, question: str = "see", *, must: float, goal: float
) -> Comparison:
    """The time of a first answer: a new process, no cache of compiled programs."""
    environment = dict(os.environ)
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)

    def timed() -> float:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.graphs", model, question],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return float(done.stdout.split()[-1])

    return Comparison(
        what=what, ours=timed, must=must, goal=goal, rounds=3, says_seconds=True
    )


def answer(model: str, question: str) -> float:
    """Seconds of an answer; of another than the first one but to "see"."""
    if model == "chain":
        names = [f"X{i}" for i in range(300)]
        mechanisms = {name: Tabular(2, (2,)) for name in names} | {"X0": Tabular(2)}
        edges = list(zip(names, names[1:], strict=False))
        scm = SCM(graphs.build(edges), mechanisms)
        params, num = scm.init(KEY), 1000
    else:
        scm, params = networks.read_bif(model)
        num = ROWS
    started = time.perf_counter()
    factual = jax.block_until_ready(scm.sample(params, KEY, num=num))
    if question != "see":
        jax.block_until_ready(scm.sample(params, KEY, num=num, do={scm.nodes[5]: 1}))
        started = time.perf_counter()
    if question == "do":
        jax.block_until_ready(scm.sample(params, KEY, num=num, do={scm.nodes[9]: 1}))
    elif question == "counterfactual":
        do = {scm.nodes[9]: 1}
        jax.block_until_ready(scm.counterfactual(params, KEY, factual, do=do))
    return time.perf_counter() - started


if __name__ == "__main__":
    print(answer(*sys.argv[1:]))
