"""The other side of `benchmarks.run`, in an environment of its own; see harness.

Each function prepares what it is told and returns a function that runs it once, as the
library's documentation says, and returns numbers to compare, outside the timing. A
third thing that it may return is said when it is ready. Functions of other modules of
this folder are named with their module, which is imported only then.
"""

import argparse
import gzip
import importlib
import json
import logging
import sys
import time
import warnings
from pathlib import Path


def pgmpy_model(file):
    from pgmpy.readwrite import BIFReader

    return BIFReader(string=gzip.decompress(Path(file).read_bytes()).decode())


def pgmpy_simulate(file, num, do, names, first):
    """`simulate` of a Bayesian network under an intervention."""
    model = pgmpy_model(file).get_model()

    def run():
        return model.simulate(n_samples=num, do=do, show_progress=False, seed=0)

    def found(drawn):
        return [
            float((drawn[name] == state).mean())
            for name, state in zip(names, first, strict=True)
        ]

    return run, found


def pgmpy_posterior(file, rows, states):
    """The posterior of every hidden node of each unit, in the faster of two ways."""
    model = pgmpy_model(file).get_model()
    ways = {
        "a junction tree calibrated": calibration(model, list(states)),
        "variables eliminated": elimination(model, list(states)),
    }
    seconds = {name: least_seconds(way, rows[0]) for name, way in ways.items()}
    best = min(seconds, key=seconds.get)

    def found(laws):
        return [
            float(laws[0][name].values[laws[0][name].get_state_no(name, state)])
            for name, of_node in states.items()
            for state in of_node
        ]

    said = {"variant": best, "variants": seconds}
    return lambda: [ways[best](row) for row in rows], found, said


def least_seconds(way, row, runs=4):
    """Of some runs: what else the machine does is not to choose the way."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        way(row)
        taken.append(time.perf_counter() - started)
    return min(taken)


def elimination(model, hidden):
    """A query for each hidden node: one for all of them forms their joint law."""
    from pgmpy.inference import VariableElimination

    engine = VariableElimination(model)

    def laws(row):
        return {
            name: engine.query([name], evidence=row, show_progress=False)
            for name in hidden
        }

    return laws


def calibration(model, hidden):
    """The junction tree of the model, calibrated once with a unit's evidence in it."""
    from pgmpy.factors.discrete import DiscreteFactor
    from pgmpy.inference import BeliefPropagation
    from pgmpy.inference.EliminationOrder import MinFill

    order = MinFill(model).get_elimination_order(show_progress=False)
    # (Its own default gives alarm a clique of 430 million states, 3.2 GiB.)
    network = model.to_markov_model()
    network.triangulate(order=order, inplace=True)
    tree = network.to_junction_tree()
    cliques = {name: next(c for c in tree if name in c) for name in model.nodes()}

    def seen(name, state):
        return DiscreteFactor(
            [name],
            [model.get_cardinality(name)],
            [float(each == state) for each in model.states[name]],
            state_names={name: model.states[name]},
        )

    def laws(row):
        of_unit = tree.copy()
        for name, state in row.items():
            of_unit.get_factors(cliques[name]).product(seen(name, state))
        engine = BeliefPropagation(of_unit)
        engine.calibrate()
        beliefs = engine.get_clique_beliefs()
        found = {}
        for name in hidden:
            others = [each for each in cliques[name] if each != name]
            law = beliefs[cliques[name]].marginalize(others, inplace=False)
            found[name] = law.normalize(inplace=False)
        return found

    return laws


def dowhy_model(edges, weights, class_name):
    """A linear model of given weights, without fitting."""
    import networkx as nx
    import numpy as np
    from dowhy import gcm
    from scipy import stats
    from sklearn.linear_model import LinearRegression

    model = getattr(gcm, class_name)(nx.DiGraph([tuple(edge) for edge in edges]))
    for name in model.graph.nodes:
        if name not in weights:
            model.set_causal_mechanism(
                name, gcm.ScipyDistribution(stats.norm, loc=0, scale=1)
            )
            continue
        regression = LinearRegression()
        regression.coef_ = np.array([weights[name]])
        regression.intercept_ = np.zeros(1)
        regression.n_features_in_ = len(weights[name])
        noise = gcm.ScipyDistribution(stats.norm, loc=0, scale=1)
        predictor = gcm.ml.SklearnRegressionModel(regression)
        model.set_causal_mechanism(name, gcm.AdditiveNoiseModel(predictor, noise))
        model.graph.nodes[name]["parents_during_fit"] = sorted(
            model.graph.predecessors(name)
        )
    for name in model.graph.nodes:
        model.graph.nodes[name].setdefault("parents_during_fit", [])
    return model, gcm


def dowhy_do(edges, weights, num):
    model, gcm = dowhy_model(edges, weights, "ProbabilisticCausalModel")

    def run():
        return gcm.interventional_samples(
            model, {"B": lambda x: 1.0}, num_samples_to_draw=num
        )

    return run, lambda drawn: [float(drawn[name].mean()) for name in "ACDE"]


def dowhy_counterfactual(edges, weights, num, first):
    import numpy as np
    import pandas as pd

    model, gcm = dowhy_model(edges, weights, "InvertibleStructuralCausalModel")
    units = gcm.draw_samples(model, num)
    head = pd.DataFrame(first)
    units = pd.concat([head, units.iloc[len(head) :]], ignore_index=True)[list(head)]

    def run():
        return gcm.counterfactual_samples(
            model, {"B": lambda x: 1.0}, observed_data=units
        )

    def found(drawn):
        return [float(np.asarray(drawn[name])[: len(head)].sum()) for name in "ABCDE"]

    return run, found


PREPARED = {
    each.__name__: each
    for each in (pgmpy_simulate, pgmpy_posterior, dowhy_do, dowhy_counterfactual)
}


def prepared(name, settings):
    """What runs it, what compares its results, and what is said before."""
    module, _, function = name.rpartition(".")
    if module:
        prepare = getattr(importlib.import_module(f"benchmarks.{module}"), function)
    else:
        prepare = PREPARED[name]
    run, found, *said = prepare(**settings)
    if not said:
        run()  # warm
    return run, found, dict(*said)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    try:
        import torch

        torch.set_num_threads(args.threads)
    except ImportError:
        pass
    run = found = None
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if "prepare" in question:
                name, settings = question["prepare"], question["settings"]
                run, found, said = prepared(name, settings)
                answer = {"ready": True, **said}
            else:
                started = time.perf_counter()
                result = run()
                took = time.perf_counter() - started
                answer = {"seconds": took, "found": found(result)}
        except Exception as error:  # said by the other side
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
