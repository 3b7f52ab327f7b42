"""What the devices send each other in a step, counted in the program of the step.

    python -m experiments.communication

Per algorithm at its config's sizes: parameters (trained and drawn from), the bytes that
a step sums over devices (gradients, statistics), and the bytes that it gathers. From S
bytes that are summed each of D devices sends 2 (D - 1) / D S, from S that are gathered
(D - 1) / D S (ring algorithms; Patarasuk & Yuan 2009). The table is in docs/pods.md.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from absl import flags

from causal_jax.cli import command_line
from causal_jax.data import celeba_graphs
from causal_jax.networks.cgn.discriminators import LinearDiscriminator
from causal_jax.recipes import registry
from causal_jax.recipes.digits.model import untrained
from causal_jax.recipes.labels_images.label_stage import label_algorithm
from causal_jax.recipes.labels_images.model import image_mechanism, label_model
from causal_jax.recipes.labels_images.stages import image_algorithm
from causal_jax.recipes.settings import Settings, plain
from causal_jax.training.algorithm import DEVICE_AXIS, Algorithm
from causal_jax.training.cgn import cgn
from causal_jax.types import Batch

DEVICES = (8, 64, 512)
_PER_DEVICE = 8  # rows of a device in the program; sums do not depend on it
_NUM_LABELS = 9
_CRITICS = {"mnist_cgn:double_colored": LinearDiscriminator()}
_IMAGES = ("celeba_causal_gan", "celeba_causal_gan:reference", "celeba_causal_began")
_GATHERS = ("all_gather", "reduce_scatter", "psum_scatter")


def steps(num_devices: int) -> Iterator[tuple[str, Algorithm, Batch]]:
    """Name, algorithm and a device's batch (shapes alone), where there are so many."""
    size = num_devices * _PER_DEVICE
    config = _config("faces_labels", size)
    scm = label_model(config, celeba_graphs.named("big_causal_graph"))
    algorithm = label_algorithm(config, scm)
    yield "faces_labels", algorithm, _batch(algorithm, num_devices, (), None)
    for name in _IMAGES:
        config = _config(name, size)
        generator = image_mechanism(config, (2,) * _NUM_LABELS)
        algorithm, shape = image_algorithm(config, generator), (config.image_size,) * 2
        yield name, algorithm, _batch(algorithm, num_devices, shape, jnp.uint8)
    for name, critic in _CRITICS.items():
        algorithm = cgn(untrained(_config(name, size)), critic, batch_size=size)
        yield name, algorithm, _batch(algorithm, num_devices, (32, 32), jnp.float32)


def _config(name: str, batch_size: int) -> Settings:
    config = registry.get_config(name)
    config.batch_size = batch_size
    return plain(config)


def _batch(algorithm: Algorithm, num_devices: int, picture: tuple, dtype) -> Batch:
    *outer, size = algorithm.batch_shape
    rows = (*outer, size // num_devices)
    if not picture:
        return {"rows": jax.ShapeDtypeStruct((*rows, _NUM_LABELS), jnp.int32)}
    classes = () if dtype == jnp.float32 else (_NUM_LABELS,)
    return {
        "images": jax.ShapeDtypeStruct((*rows, *picture, 3), dtype),
        "labels": jax.ShapeDtypeStruct((*rows, *classes), jnp.int32),
    }


class Sent(NamedTuple):
    """Bytes that a step hands to collectives, on one device.

    Attributes:
      summed: to sums over devices.
      gathered: of what comes out of gathers, or goes into scattered sums.
    """

    summed: int
    gathered: int


def sent(algorithm: Algorithm, batch: Batch, num_devices: int) -> Sent:
    """What a step communicates, by its program; a branch counts as its largest."""
    state = jax.eval_shape(algorithm.init, jax.random.key(0))
    axes = [(DEVICE_AXIS, num_devices)]
    traced = jax.make_jaxpr(algorithm.step, axis_env=axes)(
        state, batch, jax.random.key(0)
    )
    return _sent_by(traced.jaxpr)


def _sent_by(jaxpr) -> Sent:
    summed = gathered = 0
    for equation in jaxpr.eqns:
        name, inner = equation.primitive.name, _inner(equation)
        if DEVICE_AXIS in _axes(equation):
            if name in _GATHERS:
                gathered += max(_size(equation.invars), _size(equation.outvars))
            elif name.startswith("psum"):
                summed += _size(equation.invars)
        times = equation.params.get("length", 1)
        parts = [_sent_by(one) for one in inner]
        if parts:
            summed += times * max(part.summed for part in parts)
            gathered += times * max(part.gathered for part in parts)
    return Sent(summed=summed, gathered=gathered)


def _inner(equation) -> list:
    leaves = jax.tree.leaves(
        list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")
    )
    return [getattr(x, "jaxpr", x) for x in leaves if hasattr(x, "eqns")]


def _axes(equation) -> tuple:
    axes = equation.params.get("axes") or equation.params.get("axis_name") or ()
    return axes if isinstance(axes, tuple) else (axes,)


def _size(variables) -> int:
    return sum(v.aval.size * v.aval.dtype.itemsize for v in variables)


def num_parameters(algorithm: Algorithm) -> int:
    """Numbers in what is sampled from."""
    state = jax.eval_shape(algorithm.init, jax.random.key(0))
    params = jax.eval_shape(algorithm.params, state)
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


def define_flags() -> None:
    """No flags."""


def main(args: flags.FlagValues) -> None:
    del args
    columns = [
        "config",
        "parameters sampled from",
        "summed, MB",
        f"gathered at {DEVICES[0]}, MB",
    ]
    columns += [f"sent at {num}, MB" for num in DEVICES]
    print("| " + " | ".join(columns) + " |")
    print("|---" * len(columns) + "|")
    for rows in zip(*map(_rows, DEVICES), strict=True):
        print("| " + " | ".join([*rows[0][:4], *(row[4] for row in rows)]) + " |")


def _rows(num_devices: int) -> Iterator[list[str]]:
    for name, algorithm, batch in steps(num_devices):
        found = sent(algorithm, batch, num_devices)
        share = (num_devices - 1) / num_devices
        total = share * (2 * found.summed + found.gathered)
        sizes = (found.summed, found.gathered, total)
        yield [
            name,
            f"{num_parameters(algorithm):,}",
            *(f"{x / 1e6:.2f}" for x in sizes),
        ]


if __name__ == "__main__":
    command_line.run("communication", define_flags, main, help_text=__doc__)
