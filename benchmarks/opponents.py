"""The other side of `benchmarks.run`, in an environment of its own; see harness.

Each function prepares what it is told and returns a function that runs it once, as the
library's documentation says, one that returns numbers to compare, outside the timing,
and where there are several ways a text that says which it is.
"""

import argparse
import gzip
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


def pgmpy_elimination(file, rows, hidden):
    """The posterior of each hidden node, for one unit after the other."""
    from pgmpy.inference import VariableElimination

    engine = VariableElimination(pgmpy_model(file).get_model())

    def run():
        return [  # all in one query would form their joint law
            [engine.query([name], evidence=row, show_progress=False) for name in hidden]
            for row in rows
        ]

    return run, lambda laws: [float(law.values[0]) for law in laws[0]]


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


def image_stage(kind, file, settings):
    """Training steps in PyTorch, and which variant of it is the fastest."""
    from benchmarks import image_stages_torch

    return image_stages_torch.image_stage(kind, file, settings)


PREPARED = {
    each.__name__: each
    for each in (
        pgmpy_simulate,
        pgmpy_elimination,
        dowhy_do,
        dowhy_counterfactual,
        image_stage,
    )
}


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
                prepare = PREPARED[question["prepare"]]
                run, found, *said = prepare(**question["settings"])
                run()  # warm
                answer = {"ready": True, "said": "".join(said)}
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
