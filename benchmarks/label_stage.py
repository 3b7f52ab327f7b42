"""The label stage with the original's settings: ours against PyTorch.

An iteration is 21 updates of the critic (WGAN-GP, batch 16, five layers of 15) and one
of the causal controller, a network for each of CelebA's nine labels (Kocaoglu et al.
2017, section 4). Ours takes many iterations per dispatch, as training does. Both sides
are asked for their losses on the same weights, rows, noise and mixtures before they are
timed.
"""

import argparse
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from benchmarks.harness import Comparison
from causal_jax import graph as graphs
from causal_jax.losses import adversarial
from causal_jax.networks import controller
from causal_jax.training import label_wgan, parallel

GRAPH = "big_causal_graph"
DISPATCHED = 200  # iterations per dispatch: those of the recipe
THEIRS = 4  # iterations of one of the opponent's runs
NUM_ROWS = 2048
PENALTY_WEIGHT = 0.1  # `label_wgan`'s default, the original's
KEY = jax.random.key(0)
SETTINGS = label_wgan.REFERENCE


def comparisons(args: argparse.Namespace) -> dict[str, Callable[[], Comparison]]:
    del args
    return {
        "label_stage": lambda: label_stage("autograd", must=16, goal=30),
        "label_stage_functional": lambda: label_stage("functional"),
    }


WAYS = {
    "autograd": "PyTorch's autograd",
    "functional": "torch.func, an update one function",
}


def label_stage(
    way: str, must: float | None = None, goal: float | None = None
) -> Comparison:
    """Ours against one of the two ways to write it in PyTorch."""
    scm = controller.reference_controller(graphs.read(GRAPH))
    carried, same = example(scm)
    return Comparison(
        what=f"label stage, {DISPATCHED} iterations of the original's settings "
        f"({SETTINGS['num_critic_steps']} critic updates and one of the controller), "
        f"against {WAYS[way]}",
        ours=steps(scm, carried["rows"]),
        opponent=f"label_stage_torch.{way}",
        settings={
            "file": harness.carried(carried),
            "order": list(scm.order),
            "parents": {name: list(scm.parents[name]) for name in scm.order},
            "columns": list(scm.nodes),
            "settings": {**SETTINGS, "penalty_weight": PENALTY_WEIGHT},
            "num_steps": THEIRS,
        },
        must=must,
        goal=goal,
        same=same,
        times=DISPATCHED / THEIRS,
    )


def steps(scm, rows: np.ndarray) -> Callable[[], None]:
    """What takes iterations in one dispatch and waits for them."""
    algorithm = label_wgan.label_wgan(scm, num_steps=DISPATCHED, **SETTINGS)
    devices = jax.devices()
    state = parallel.replicate(algorithm.init(KEY), devices)
    data = parallel.spread({"rows": jnp.asarray(rows, jnp.uint8)}, devices)
    dispatch = parallel.train_steps(algorithm, num_steps=DISPATCHED, devices=devices)
    first = 0

    def run() -> None:
        nonlocal state, first
        state, info = dispatch(state, data, KEY, first)
        first += DISPATCHED
        jax.block_until_ready((state, info))

    return run


def example(scm) -> tuple[dict, dict[str, float]]:
    """Weights, rows and a batch to carry over, and our losses on them."""
    algorithm = label_wgan.label_wgan(scm, num_steps=1, **SETTINGS)
    state = algorithm.init(jax.random.key(1))
    num = SETTINGS["batch_size"]
    noise = scm.sample_noise(jax.random.key(2), num)
    fake = controller.rows(scm).relaxed(state.params, noise)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, (NUM_ROWS, len(scm.nodes)), np.uint8)
    batch = {
        "real": rows[:num].astype(np.float32),
        "fake": fake,
        "mix": rng.random(num, np.float32),
        "noise": np.stack([noise[name] for name in scm.order]),
    }
    weights = {"controller": state.params, "critic": state.critic}
    return {**weights, "rows": rows, "batch": batch}, losses(state.critic, batch)


def losses(critic: dict, batch: dict) -> dict[str, float]:
    """{what: ours}, the penalty being what its weight adds to the loss."""

    def judged(rows):
        return controller.mlp(critic, rows.T)[0]

    def loss(weight: float):
        rows = (jnp.asarray(batch[name]) for name in ("real", "fake", "mix"))
        return adversarial.critic_loss(judged, *rows, penalty_weight=weight)

    critic_loss, distance = loss(PENALTY_WEIGHT)
    return {
        "critic loss": float(critic_loss),
        "distance": float(distance),
        "penalty": float(loss(1.0)[0] + distance),
        "controller loss": -float(jnp.mean(judged(batch["fake"]))),
    }
