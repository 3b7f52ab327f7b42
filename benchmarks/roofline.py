"""Where each training step stands below the machine's roof (Williams et al. 2009).

    python -m benchmarks.roofline [--only=NAME] [--row]

For every training step: the operations and bytes that XLA counts for the program that
runs, on one device; their ratio; what the machine could reach at that ratio (its rate
of matrix products, or its copy rate times the ratio, whichever is less); and what the
step reaches. XLA counts a loop's body once and sees no cache: bytes are those of every
fusion's inputs and outputs, and where large convolutions are loops over blocks (the
reference's networks) operations are the layers' nominal ones. --row keeps the numbers
and draws docs/roofline.png.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness, operations
from causal_jax.data import celeba_graphs
from causal_jax.networks import controller
from causal_jax.networks.cgn import mnist
from causal_jax.networks.cgn.discriminators import LinearDiscriminator
from causal_jax.networks.digit_classifier import DigitClassifier
from causal_jax.networks.image import ImageGenerator
from causal_jax.reporting.figures import new_figure, style, to_image
from causal_jax.training import causal_began, causal_gan, cgn, parallel
from causal_jax.training.algorithm import Algorithm
from causal_jax.training.classifier import classifier
from causal_jax.training.label_local_wgan import label_local_wgan
from causal_jax.training.label_mle import label_mle
from causal_jax.types import Batch
from experiments import results

PICTURE = results.FOLDER.parent / "roofline.png"
REPEATS = 3
PARENTS = (2,) * 9
NOMINAL = {  # operations of a step, by the layers: products in loops are counted once
    "CausalGAN, reference, 64 pixels": lambda: _gan_operations(),
    "CausalBEGAN, reference, 64 pixels": lambda: 16 * operations.began_step(128, 64, 9),
}
_RANDOM = np.random.default_rng(0)


def steps() -> dict[str, Callable[[], tuple[Algorithm, Batch]]]:
    """{what: its algorithm and data}."""
    labels = controller.controller(celeba_graphs.named("big_causal_graph"))
    rows = {"rows": _RANDOM.integers(0, 2, (2048, 9))}
    gan, began = dict(causal_gan.REFERENCE), dict(causal_began.REFERENCE)
    gan["critics_every"] = 1  # else a third of the program is not run every time
    return {
        "labels, WGAN": lambda: (label_local_wgan(labels, num_steps=100), rows),
        "labels, likelihood": lambda: (label_mle(labels, num_steps=100), rows),
        "CausalGAN, compact, 32 pixels": lambda: (
            causal_gan.causal_gan(ImageGenerator(PARENTS)),
            faces(32),
        ),
        "CausalGAN, reference, 64 pixels": lambda: (
            causal_gan.causal_gan(
                ImageGenerator(PARENTS, 64, 64, 100, "dcgan", "reference"), **gan
            ),
            faces(64),
        ),
        "CausalBEGAN, compact, 32 pixels": lambda: (
            causal_began.causal_began(ImageGenerator(PARENTS)),
            faces(32),
        ),
        "CausalBEGAN, reference, 64 pixels": lambda: (
            causal_began.causal_began(
                ImageGenerator(PARENTS, 64, 128, 64, "began"), **began
            ),
            faces(64),
        ),
        "digits, network": lambda: (
            cgn.cgn(mnist.scm(), LinearDiscriminator(), batch_size=16),
            digits(),
        ),
        "digits, classifier": lambda: (
            classifier(DigitClassifier(), steps_per_epoch=100, batch_size=64),
            digits(),
        ),
    }


def _gan_operations() -> int:
    networks = operations.gan_networks(64, 100, 9)
    updates = 2 * operations.generator_update(networks)
    return 64 * (updates + operations.critics_update(networks))


def faces(side: int) -> Batch:
    images = _RANDOM.integers(0, 256, (256, side, side, 3), dtype=np.uint8)
    return {"images": images, "labels": _RANDOM.integers(0, 2, (256, 9))}


def digits() -> Batch:
    images = _RANDOM.uniform(-1, 1, (256, 32, 32, 3)).astype(np.float32)
    return {"images": images, "labels": _RANDOM.integers(0, 10, 256)}


def measured(algorithm: Algorithm, data: Batch) -> dict[str, float]:
    """Operations, bytes and seconds of a step on one device."""
    device, key = jax.devices()[:1], jax.random.key(0)
    state = parallel.replicate(jax.jit(algorithm.init)(key), device)
    data = parallel.replicate(jax.tree.map(jnp.asarray, data), device)
    program = (
        parallel.train_steps(algorithm, num_steps=1, devices=device)
        .lower(state, data, key, 0)
        .compile()
    )
    counted, times = program.cost_analysis(), []
    for step in range(REPEATS + 1):
        started = time.perf_counter()
        state, _ = jax.block_until_ready(program(state, data, key, step))
        times.append(time.perf_counter() - started)
    return {
        "operations": counted["flops"],
        "bytes": counted["bytes accessed"],
        "seconds": statistics.median(times[1:]),
    }


def with_roof(
    found: dict[str, float],
    limits: dict[str, float],
    nominal: Callable[[], int] | None = None,
) -> dict[str, float]:
    """Operations a byte, the rate that is reached, and the one that could be.

    >>> limits = {"matmul_flops": 100.0, "copy_bytes": 10.0}
    >>> with_roof({"operations": 50.0, "bytes": 25.0, "seconds": 5.0}, limits)["roof"]
    20.0
    """
    found = found | ({"operations": float(nominal())} if nominal else {})
    intensity = found["operations"] / found["bytes"]
    roof = min(limits["matmul_flops"], intensity * limits["copy_bytes"])
    reached = found["operations"] / found["seconds"]
    return found | {"intensity": intensity, "roof": roof, "reached": reached}


def figure(found: dict[str, dict[str, float]], limits: dict[str, float]):
    with style():
        drawing = new_figure(7.0, 4.0)
        axes = drawing.subplots()
        reach = np.logspace(-1, 3, 100)
        roof = np.minimum(limits["matmul_flops"], reach * limits["copy_bytes"])
        axes.plot(reach, roof / 1e9, color="black", linewidth=1)
        for number, (name, each) in enumerate(found.items(), 1):
            place = each["intensity"], each["reached"] / 1e9
            axes.plot(*place, marker="o", linestyle="", label=f"{number} {name}")
            axes.annotate(str(number), place, (4, 4), textcoords="offset points")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("operations a byte")
        axes.set_ylabel("GFLOP/s")
        axes.legend(fontsize=7, loc="lower right")
        return to_image(drawing)


def line(name: str, each: dict[str, float]) -> str:
    share = f"{100 * each['reached'] / each['roof']:.0f} %"
    cells = [name, f"{each['operations'] / 1e9:.3g}", f"{each['intensity']:.3g}"]
    cells += [harness.seconds(each["seconds"]), f"{each['reached'] / 1e9:.3g}", share]
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| step | GFLOP | operations a byte | time | GFLOP/s | of the roof |\n"
    "|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="part of the name of a step")
    parser.add_argument("--row", action="store_true", help="keep numbers and picture")
    args = parser.parse_args()
    started, limits, found = time.perf_counter(), harness.limits(), {}
    machine = harness.described(limits)
    print(f"{machine}\n\n{HEAD}", flush=True)
    for name, make in steps().items():
        if args.only in name:
            found[name] = with_roof(measured(*make()), limits, NOMINAL.get(name))
            print(line(name, found[name]), flush=True)
    if args.row:
        results.write(
            "benchmark_roofline",
            {
                "command": "python -m benchmarks.roofline --row",
                "seconds": {"benchmark": time.perf_counter() - started},
                "metrics": {"benchmark": found},
                "note": machine,
            },
        )
        figure(found, limits).save(PICTURE)
        table = [HEAD, *(line(name, each) for name, each in found.items())]
        said = f"`python -m benchmarks.roofline --row`, {machine}:"
        harness.fill_page("benchmarks.roofline", "\n".join([said, "", *table, ""]))


if __name__ == "__main__":
    main()
