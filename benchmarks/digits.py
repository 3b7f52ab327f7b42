"""Counterfactual generative networks on digits: ours against PyTorch.

Same layers, same batch, same machine: `digits_torch` holds the same in PyTorch, of
which the fastest of both layouts, eager and compiled, counts. Weights, a batch and what
a step draws are carried over, and both sides' losses are compared before anything is
timed. Ours takes several steps per dispatch, as training does, and spreads the batch
over devices: on a CPU two (JAX_NUM_CPU_DEVICES=2 does that for any run), since XLA
shares hardly any operation of these sizes among threads. The time of a VGG16 with
random weights is that of the trained one. On a GPU PyTorch runs there too.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from benchmarks.harness import Comparison
from causal_jax.networks import vgg
from causal_jax.networks.cgn import mnist
from causal_jax.networks.cgn.composition import PARTS, compose
from causal_jax.networks.cgn.discriminators import LinearDiscriminator
from causal_jax.networks.cgn.sampler import sample_counterfactuals
from causal_jax.networks.digit_classifier import DigitClassifier
from causal_jax.scm import node_key
from causal_jax.training import cgn as cgn_training
from causal_jax.training import parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.classifier import classifier

DEVICES = 2  # on a CPU
SETTINGS = cgn_training.REFERENCE["double_colored"]
MODEL = cgn_training.MODEL["double_colored"]
CLASSIFIER_BATCH = 64
NUM_IMAGES, PER_MASK = 1000, 10
STEPS = {"cgn_style": 5, "cgn": 20, "classifier": 20}  # of a run, in one dispatch
ON_GPU = 10  # times as many steps and images a run there
NUM_ROWS = 2048  # of the data that batches are drawn from
KEY = jax.random.key(0)


def comparisons(args: argparse.Namespace) -> dict[str, Callable[[], Comparison]]:
    del args
    return {
        "cgn_style": cgn_style,
        "cgn": cgn_plain,
        "classifier": classifier_step,
        "counterfactuals": lambda: counterfactuals("official", 4, 6),
        "counterfactuals_lean": lambda: counterfactuals("lean"),
    }


# --- training steps -------------------------------------------------------------------


def cgn_style() -> Comparison:
    """The train step of the published run, style loss included."""
    network = vgg.VGG16Features()
    init = jax.jit(network.init)
    weights = init(KEY, jnp.zeros((1, 32, 32, 3)))
    algorithm = cgn_training.cgn(
        mnist.scm(**MODEL),
        LinearDiscriminator(),
        features_fn=partial(network.apply, weights),
        **SETTINGS,
    )
    what = f"CGN step with style loss, batch {SETTINGS['batch_size']}"
    return cgn_step(what, algorithm, "cgn_style", SETTINGS, weights["params"])


def cgn_plain() -> Comparison:
    """The same without the style loss."""
    settings = {**SETTINGS, "style_weights": ()}
    algorithm = cgn_training.cgn(mnist.scm(**MODEL), LinearDiscriminator(), **settings)
    what = f"CGN step without style loss, batch {SETTINGS['batch_size']}"
    return cgn_step(what, algorithm, "cgn", settings, {})


def cgn_step(
    what: str, algorithm: Algorithm, name: str, settings: dict, features: dict
) -> Comparison:
    state = algorithm.init(KEY)
    state = state._replace(model=with_one_embedding(state.model))
    num = algorithm.batch_shape[0]
    images, labels = random_data()
    batch = {"images": images[:num], "labels": labels[:num]}
    _, info = jax.jit(algorithm.step)(state, batch, KEY)
    carried = {
        "model": state.model,
        "critic": state.discriminator["params"],
        "features": features,
        "batch": {**batch, **drawn(KEY, num)},
    }
    same = {
        "adversarial": info.adversarial,
        "entropy": info.entropy,
        "style": info.style,
        "critic loss": info.discriminator_loss,
    }
    return step(what, algorithm, name, "cgn_steps", carried, same, settings)


def with_one_embedding(model: dict) -> dict:
    """The model with the label embedding that its three networks share there."""
    shared = model[PARTS[0]]["params"]["label_embedding"]
    parts = {
        part: {
            **model[part],
            "params": {**model[part]["params"], "label_embedding": shared},
        }
        for part in PARTS
    }
    return {**model, **parts}


def drawn(key: jax.Array, num: int) -> dict[str, Any]:
    """What `cgn`'s step draws from its key: noise, labels, offsets, dropout."""
    key_labels, key_noise, *keys = jax.random.split(key, 5)
    scm, critic = mnist.scm(**MODEL), LinearDiscriminator()
    noise = {
        part: scm.mechanisms[part].noise(node_key(key_noise, part), num)
        for part in PARTS[1:]
    }
    return {
        "z": scm.mechanisms[PARTS[0]].noise(key_noise, num)["z"],
        "fake_labels": jax.random.randint(key_labels, (num,), 0, 10),
        "offsets": jnp.stack([noise[part]["offset"] for part in PARTS[1:]]),
        "dropout": jnp.stack([critic.dropout(key, num) for key in keys]),
    }


def classifier_step() -> Comparison:
    """The train step of the digit classifier."""
    num = CLASSIFIER_BATCH
    algorithm = classifier(DigitClassifier(), steps_per_epoch=1000, batch_size=num)
    state = algorithm.init(KEY)
    images, labels = random_data()
    batch = {"images": images[:num], "labels": labels[:num]}
    _, info = jax.jit(algorithm.step)(state, batch, KEY)
    carried = {"weights": state.variables["params"], "batch": batch}
    what = f"classifier step, batch {num}"
    same = {"loss": info.loss}
    settings = {"batch_size": num}
    names = "classifier", "classifier_steps"
    return step(what, algorithm, *names, carried, same, settings)


def step(what, algorithm, name, opponent, carried, same, settings) -> Comparison:
    """Steps in one dispatch against as many of theirs."""
    num_steps = STEPS[name] * scale()
    images, labels = random_data()
    carried = {**carried, "images": images, "labels": labels}
    batch = carried["batch"]
    counted = operations(algorithm.step, jax.eval_shape(algorithm.init, KEY), batch)
    return Comparison(
        what=f"{what}: {num_steps} of them",
        ours=steps(algorithm, num_steps),
        opponent=f"digits_torch.{opponent}",
        settings={
            "file": harness.carried(carried),
            "num_steps": num_steps,
            "settings": settings,
            "device": torch_device(),
        },
        must=1.0,
        goal=1.2,
        same={key: float(value) for key, value in same.items()},
        tolerance=1e-4,  # of sums in another order: single precision, ten layers
        operations=counted and counted * num_steps,
    )


def steps(algorithm: Algorithm, num_steps: int) -> Callable[[], None]:
    """A function that takes steps in one dispatch, and waits for them."""
    devices = jax.devices()
    images, labels = random_data()
    data = {"images": jnp.asarray(images), "labels": jnp.asarray(labels)}
    data = parallel.replicate(data, devices)
    state = parallel.replicate(algorithm.init(KEY), devices)
    dispatch = parallel.train_steps(algorithm, num_steps=num_steps, devices=devices)
    first = 0

    def run() -> None:
        nonlocal state, first
        state, info = dispatch(state, data, KEY, first)
        first += num_steps
        jax.block_until_ready((state, info))

    return run


# --- counterfactual images ------------------------------------------------------------


def counterfactuals(
    way: str, must: float | None = None, goal: float | None = None
) -> Comparison:
    """Images with independent labels and fresh noise for every one, ten a mask."""
    scm = mnist.scm(**MODEL)
    params = with_one_embedding(jax.jit(scm.init)(KEY))
    num_devices, num_images = jax.device_count(), NUM_IMAGES * scale()
    share = num_images // num_devices // PER_MASK * PER_MASK
    keys = iter(jax.random.split(jax.random.key(1), (1000, num_devices)))

    def sample(num: int, key: jax.Array):
        return sample_counterfactuals(scm, params, key, num=num, per_mask=PER_MASK)

    draw = jax.pmap(partial(sample, share))
    batch = drawn(jax.random.key(2), 16)
    # Of the images of one mask: it counts a loop over masks once.
    counted = operations(partial(sample, PER_MASK))
    ways = {
        "official": "the official way: autograd on, all networks in each pass",
        "lean": "no_grad, only the networks needed",
    }
    return Comparison(
        what=f"{num_images:,} counterfactual images, {PER_MASK} a mask, each with "
        f"noise of its own, against {ways[way]}",
        ours=lambda: jax.block_until_ready(draw(next(keys))),
        opponent="digits_torch.sampling",
        settings={
            "file": harness.carried({"model": params, "batch": batch}),
            "num": num_images,
            "per_mask": PER_MASK,
            "way": way,
            "device": torch_device(),
        },
        must=must,
        goal=goal,
        same=brightness(scm, params, batch),
        tolerance=1e-4,
        operations=counted and counted / PER_MASK * num_images,
    )


def brightness(scm, params: dict, batch: dict) -> dict[str, float]:
    """Means of parts and images with the batch's noise and running statistics."""
    labels, z = batch["fake_labels"], batch["z"]
    noise = [{"z": z}, *({"z": z, "offset": offset} for offset in batch["offsets"])]
    values = [
        scm.mechanisms[part].images(params[part], labels, each)
        for part, each in zip(PARTS, noise, strict=True)
    ]
    images = compose(*values)
    rows = jnp.arange(images.shape[1])[:, None, None]  # whichever way it is turned
    found = {"mask": values[0], "image": images, "image by rows": images * rows}
    return {name: float(jnp.mean(jnp.abs(each))) for name, each in found.items()}


# --- both -----------------------------------------------------------------------------


def random_data() -> tuple[np.ndarray, np.ndarray]:
    """Pictures [N, 32, 32, 3] in [-1, 1] and their labels."""
    rng = np.random.RandomState(0)
    images = rng.uniform(-1, 1, (NUM_ROWS, 32, 32, 3)).astype(np.float32)
    return images, rng.randint(0, 10, NUM_ROWS)


def operations(function: Callable, *args: Any) -> float | None:
    """As XLA counts them before it optimises; None on a CPU, whose products are others.

    It counts for the host, as it does not for a GPU; convolutions are the GPU's.
    """
    if jax.default_backend() == "cpu":
        return None
    with jax.default_device(jax.devices("cpu")[0]):
        return jax.jit(function).lower(*args, KEY).cost_analysis()["flops"]


def scale() -> int:
    """How many times as much a run does here as on a CPU."""
    return 1 if jax.default_backend() == "cpu" else ON_GPU


def torch_device() -> str:
    return "cpu" if jax.default_backend() == "cpu" else "cuda"
