"""How the cost of ours grows: with nodes, image size, batch and devices.

    python -m benchmarks.growth [--only=nodes,size,batch,devices] [--row]

Each point is a process of its own, so that nothing is compiled before it and a CPU may
show as many devices as asked for; there is no cache of compiled programs.

    nodes    a chain of binary tables, 1,000 units: first answer, and warm
    size     a CausalGAN step (compact networks, batch 32) by the image's side
    batch    the same at 32 pixels, by the batch
    devices  the same at batch 128, on CPU devices of this machine: what spreading it
             costs, and gains up to the number of cores

--row keeps the numbers and draws docs/performance.png.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import ROOT, processor
from causal_jax import SCM, Tabular
from causal_jax import graph as graphs
from causal_jax.networks.image import ImageGenerator
from causal_jax.reporting.figures import new_figure, style, to_image
from causal_jax.training import parallel
from causal_jax.training.causal_gan import causal_gan
from experiments import results

CURVES = {
    "nodes": (10, 30, 100, 300, 1000),
    "size": (16, 32, 64, 128),
    "batch": (8, 16, 32, 64, 128),
    "devices": (1, 2, 4),
}
WORDS = {
    "nodes": ("nodes of a chain", "seconds"),
    "size": ("side of the image, pixels", "ms a step"),
    "batch": ("images of a batch", "ms a step"),
    "devices": ("devices of a CPU of two cores", "ms a step"),
}
NUM_UNITS, NUM_LABELS, REPEATS = 1000, 9, 5
PICTURE = results.FOLDER.parent / "performance.png"


def point(curve: str, value: int) -> dict[str, float]:
    """Seconds of one point: the first run, compilation included, and a later one."""
    if curve == "nodes":
        run = chain(value)
    else:
        given = {"size": 32, "batch": 128 if curve == "devices" else 32, curve: value}
        run = steps(given["size"], given["batch"])
    started = time.perf_counter()
    run()
    first = time.perf_counter() - started
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return {"first": first, "warm": statistics.median(times)}


def chain(num_nodes: int):
    names = [f"X{i}" for i in range(num_nodes)]
    mechanisms = {name: Tabular(2, (2,)) for name in names} | {names[0]: Tabular(2)}
    scm = SCM(graphs.build(zip(names, names[1:], strict=False)), mechanisms)
    random = np.random.default_rng(0)
    probs = random.uniform(0.1, 0.9, num_nodes).astype(np.float32)
    tables = {
        name: jnp.asarray([[1 - p, p], [p, 1 - p]])
        for name, p in zip(names, probs, strict=True)
    }
    params = {name: {"probs": table} for name, table in tables.items()}
    params[names[0]] = {"probs": jnp.array([0.5, 0.5])}
    key = jax.random.key(0)
    return lambda: jax.block_until_ready(scm.sample(params, key, num=NUM_UNITS))


def steps(side: int, batch_size: int):
    """A function that takes one step, on all devices."""
    generator = ImageGenerator((2,) * NUM_LABELS, resolution=side)
    algorithm = causal_gan(generator, batch_size=batch_size)
    random = np.random.default_rng(0)
    shape = (2 * batch_size, side, side, 3)
    data = {
        "images": jnp.asarray(random.integers(0, 256, shape, dtype=np.uint8)),
        "labels": jnp.asarray(random.integers(0, 2, (2 * batch_size, NUM_LABELS))),
    }
    key, devices = jax.random.key(0), jax.devices()
    state = parallel.replicate(jax.jit(algorithm.init)(key), devices)
    data = parallel.replicate(data, devices)
    train = parallel.train_steps(algorithm, num_steps=1, devices=devices)
    first = 0

    def run():
        nonlocal state, first
        state, info = train(state, data, key, first)
        first += 1
        jax.block_until_ready((state, info))

    return run


# --- all of them ----------------------------------------------------------------------


def measured(curve: str, value: int) -> dict[str, float]:
    """`point`, in a process of its own."""
    environment = dict(os.environ)
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    if curve == "devices":
        environment["JAX_NUM_CPU_DEVICES"] = str(value)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", f"--point={curve}={value}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def figure(found: dict[str, dict[str, dict[str, float]]]):
    """A panel for each curve, axes logarithmic but for the time by devices."""
    with style():
        drawing = new_figure(3.2 * len(found), 3.0)
        panels = drawing.subplots(1, len(found), squeeze=False)[0]
        for axes, (curve, points) in zip(panels, found.items(), strict=True):
            scale = 1 if curve == "nodes" else 1e3
            kinds = ("warm", "first") if curve == "nodes" else ("warm",)
            for kind in kinds:
                y = [scale * each[kind] for each in points.values()]
                axes.plot(list(map(int, points)), y, marker="o", label=kind)
            axes.set_xscale("log", base=10 if curve == "nodes" else 2)
            if curve == "devices":
                axes.set_ylim(0)
            else:
                axes.set_yscale("log")
            axes.set_xlabel(WORDS[curve][0])
            axes.set_ylabel(WORDS[curve][1])
            if len(kinds) > 1:
                axes.legend()
        return to_image(drawing)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(CURVES), help="curves")
    parser.add_argument("--row", action="store_true", help="keep numbers and picture")
    parser.add_argument("--point", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = set(args.only.split(",")) - set(CURVES)
    if unknown:
        parser.error(f"--only has {', '.join(CURVES)}, not {', '.join(unknown)}")
    return args


def main() -> None:
    args = parsed()
    if args.point:
        curve, _, value = args.point.partition("=")
        print(json.dumps(point(curve, int(value))))
        return
    started, found = time.perf_counter(), {}
    for curve in args.only.split(","):
        found[curve] = {}
        for value in CURVES[curve]:
            found[curve][str(value)] = taken = measured(curve, value)
            print(f"{curve} {value}: first {taken['first']:.3g} s, ", end="")
            print(f"warm {1e3 * taken['warm']:.3g} ms", flush=True)
    if args.row:
        results.write(
            "benchmark_growth",
            {
                "command": "python -m benchmarks.growth --row",
                "seconds": {"benchmark": time.perf_counter() - started},
                "metrics": {"benchmark": found},
                "note": processor(),
            },
        )
        figure(found).save(PICTURE)


if __name__ == "__main__":
    main()
