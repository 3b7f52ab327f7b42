"""Counterfactual generative networks on digits: ours against PyTorch.

    python -m benchmarks.digits [--vgg=FILE] [--threads=2] [--devices=2] [--rounds=5]
                                [--row]
                                [--only=cgn_style,cgn,classifier,counterfactuals]
                                [--channels_last]

Same layers, same batch, same machine: `digits_torch` holds the same in PyTorch. Runs
alternate, so that a busy machine slows both alike; the ratio is that of the medians,
and beside it are the lowest and the highest of a round. Ours takes several steps a
dispatch, as training does, and spreads the batch over devices: on a CPU as many as
threads (JAX_NUM_CPU_DEVICES=2 does that for any run), since XLA shares hardly any
operation of these sizes among threads; --devices=1 shows it. PyTorch's is eager and
channels first, as the reference code is (channels last is faster on a CPU:
--channels_last). The time of a VGG16 with random weights is that of the trained one.
On a GPU PyTorch runs there too, and the last column says how much of the rate of a
large matrix product (float32 in, TF32 products) ours reaches.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import limit_cores, num_cores, processor
from causal_jax.importers import vgg as vgg_weights
from causal_jax.networks import vgg
from causal_jax.networks.cgn import mnist
from causal_jax.networks.cgn.discriminators import LinearDiscriminator
from causal_jax.networks.cgn.sampler import sample_counterfactuals
from causal_jax.networks.digit_classifier import DigitClassifier
from causal_jax.training import cgn as cgn_training
from causal_jax.training import parallel
from causal_jax.training.classifier import classifier
from experiments import results

SETTINGS = cgn_training.REFERENCE["double_colored"]
MODEL = cgn_training.MODEL["double_colored"]
CLASSIFIER_BATCH = 64
NUM_IMAGES, PER_MASK = 1000, 10
STEPS = {"cgn_style": 5, "cgn": 20, "classifier": 20}  # of a run, in one dispatch
ON_GPU = 10  # times as many steps and images a run there
RATE_SIZE = 8192  # of the square matrices whose product shows a chip's rate
NUM_ROWS = 2048  # of the data that batches are drawn from
PAUSE = 0.2  # seconds in which the other side's threads fall asleep


class Comparison(NamedTuple):
    """What is timed against what.

    Attributes:
      unit: what is counted, "step" or "image".
      count: how many of them a run is.
      ours: runs ours and waits for it.
      others: {what: (runs PyTorch's or None, how many times as fast ours is to be)}.
      operations: floating-point operations of one, as XLA counts them.
    """

    unit: str
    count: int
    ours: Callable[[], None]
    others: dict[str, tuple[Callable[[], None] | None, float | None]]
    operations: float | None = None


def random_data():
    """Pictures [N, 32, 32, 3] in [-1, 1] and their labels, numpy."""
    rng = np.random.RandomState(0)
    images = rng.uniform(-1, 1, (NUM_ROWS, 32, 32, 3)).astype(np.float32)
    return images, rng.randint(0, 10, NUM_ROWS)


def torch_data():
    images, labels = random_data()
    return images.transpose(0, 3, 1, 2).copy(), labels


def our_steps(algorithm, num_steps):
    """A function that takes steps in one dispatch, and waits for them."""
    devices = jax.devices()
    images, labels = random_data()
    data = {"images": jnp.asarray(images), "labels": jnp.asarray(labels)}
    data = parallel.replicate(data, devices)
    key = jax.random.key(0)
    state = parallel.replicate(algorithm.init(key), devices)
    steps = parallel.train_steps(algorithm, num_steps=num_steps, devices=devices)
    first = 0

    def run():
        nonlocal state, first
        state, info = steps(state, data, key, first)
        first += num_steps
        jax.block_until_ready((state, info))

    return run


def cgn_style(flags, other):
    """The train step of the published run, style loss included."""
    network = vgg.VGG16Features()
    weights = vgg_weights.load(flags.vgg) if flags.vgg else random_vgg(network)

    def features_fn(images):
        return network.apply(weights, images)

    algorithm = cgn_training.cgn(
        mnist.scm(**MODEL), LinearDiscriminator(), features_fn=features_fn, **SETTINGS
    )
    blocks = other and other.vgg_blocks(torch_vgg(weights["params"]))
    return cgn_comparison(
        "CGN step with style loss",
        algorithm,
        STEPS["cgn_style"] * scale(),
        blocks,
        other,
    )


def random_vgg(network):
    return jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


def torch_vgg(params):
    """[[(kernel, bias), ...] a block], numpy."""
    layers = iter(jax.tree.map(np.asarray, params[f"conv_{i}"]) for i in range(10))
    layers = ((layer["kernel"], layer["bias"]) for layer in layers)
    return [[next(layers) for _ in block] for block in vgg.BLOCKS]


def cgn_plain(flags, other):
    """The same without the style loss."""
    del flags
    settings = {**SETTINGS, "style_weights": ()}
    algorithm = cgn_training.cgn(mnist.scm(**MODEL), LinearDiscriminator(), **settings)
    return cgn_comparison(
        "CGN step without style loss", algorithm, STEPS["cgn"] * scale(), [], other
    )


def cgn_comparison(what, algorithm, num_steps, blocks, other):
    what = f"{what}, batch {SETTINGS['batch_size']}"
    theirs = other and other.cgn_steps(*torch_data(), num_steps, blocks, SETTINGS)
    return step_comparison(what, algorithm, num_steps, theirs)


def step_comparison(what, algorithm, num_steps, theirs):
    ours = our_steps(algorithm, num_steps)
    counted = operations_of_step(algorithm)
    return Comparison("step", num_steps, ours, {what: (theirs, 1.2)}, counted)


def operations_of_step(algorithm):
    """Floating-point operations of a step."""
    images, labels = random_data()
    num, key = algorithm.batch_shape[0], jax.random.key(0)
    state = jax.eval_shape(algorithm.init, key)
    batch = {"images": images[:num], "labels": labels[:num]}
    return operations(algorithm.step, state, batch, key)


def operations(function, *args):
    """As XLA counts them before it optimises; None on a CPU, whose products are others.

    It counts for the host, as it does not for a GPU; convolutions are the GPU's.
    """
    if jax.default_backend() == "cpu":
        return None
    with jax.default_device(jax.devices("cpu")[0]):
        return jax.jit(function).lower(*args).cost_analysis()["flops"]


def classifier_step(flags, other):
    """The train step of the digit classifier."""
    del flags
    num_steps = STEPS["classifier"] * scale()
    algorithm = classifier(
        DigitClassifier(), steps_per_epoch=1000, batch_size=CLASSIFIER_BATCH
    )
    theirs = other and other.classifier_steps(
        *torch_data(), num_steps, CLASSIFIER_BATCH
    )
    what = f"classifier step, batch {CLASSIFIER_BATCH}"
    return step_comparison(what, algorithm, num_steps, theirs)


def counterfactuals(flags, other):
    """Images with independent labels, ten a mask."""
    del flags
    scm = mnist.scm(**MODEL)
    params = jax.jit(scm.init)(jax.random.key(0))
    num_devices, num_images = jax.device_count(), NUM_IMAGES * scale()
    keys = iter(jax.random.split(jax.random.key(1), (1000, num_devices)))
    share = num_images // num_devices // PER_MASK * PER_MASK

    def drawn(num, key):
        return sample_counterfactuals(scm, params, key, num=num, per_mask=PER_MASK)

    draw = jax.pmap(partial(drawn, share))

    def ours():
        jax.block_until_ready(draw(next(keys)))

    official = other and other.official_sampling(num_images, PER_MASK)
    lean = other and other.lean_sampling(num_images, PER_MASK)
    what = f"counterfactuals, {PER_MASK} a mask"
    others = {
        f"{what}; the official way: autograd on, all networks in each pass": (
            official,
            4.0,
        ),
        f"{what}; no_grad, only the networks needed": (lean, None),
    }
    # Of the images of one mask: it counts a loop over masks once.
    counted = operations(partial(drawn, PER_MASK), jax.random.key(0))
    counted = counted and counted / PER_MASK
    return Comparison("image", share * num_devices, ours, others, counted)


def scale():
    """How many times as much a run does here as on a CPU."""
    return 1 if jax.default_backend() == "cpu" else ON_GPU


COMPARISONS = {
    "cgn_style": cgn_style,
    "cgn": cgn_plain,
    "classifier": classifier_step,
    "counterfactuals": counterfactuals,
}


def seconds_each(comparison, rounds):
    """{what, "ours" included: seconds a unit in each round}, runs alternating."""
    passes = {"ours": comparison.ours}
    passes |= {what: run for what, (run, _) in comparison.others.items() if run}
    for run in passes.values():
        run()  # compiles
    times = {what: [] for what in passes}
    for _ in range(rounds):
        for what, run in passes.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            run()
            times[what].append((time.perf_counter() - start) / comparison.count)
    return times


def chip_rate():
    """Operations a second of a large matrix product of float32 numbers; None on a CPU.

    At JAX's default precision, the one of everything else here (TF32 on a GPU).
    """
    if jax.default_backend() == "cpu":
        return None
    matrix = jax.random.normal(jax.random.key(0), (RATE_SIZE, RATE_SIZE))
    product = jax.jit(lambda a: a @ a)
    product(matrix).block_until_ready()
    times = []
    for _ in range(10):
        start = time.perf_counter()
        product(matrix).block_until_ready()
        times.append(time.perf_counter() - start)
    return 2 * RATE_SIZE**3 / statistics.median(times)


def figures_of(ours, theirs, operations=None, rate=None):
    """Medians and ratios of the rounds' seconds; `theirs` may be None."""
    figures = {"ours_seconds": statistics.median(ours)}
    if operations and rate:
        figures["operations"] = operations
        figures["fraction"] = operations / figures["ours_seconds"] / rate
    if theirs:
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        figures["torch_seconds"] = statistics.median(theirs)
        figures["ratio"] = figures["torch_seconds"] / figures["ours_seconds"]
        figures |= {"ratio_min": min(ratios), "ratio_max": max(ratios)}
    return figures


def line(what, unit, goal, figures):
    """A line of the table."""

    def speed(seconds):
        if seconds is None:
            return "-"
        if unit == "step" and jax.default_backend() == "cpu":
            return f"{1e3 * seconds:.1f} ms"
        return f"{1 / seconds:.0f} {unit}s/s"

    cells = [what, *(speed(figures.get(f"{who}_seconds")) for who in ("ours", "torch"))]
    ratio = "-"
    if "ratio" in figures:
        ratio = "{ratio:.2f} ({ratio_min:.2f}..{ratio_max:.2f})".format(**figures)
    share = f"{100 * figures['fraction']:.2f} %" if "fraction" in figures else "-"
    return f"| {' | '.join([*cells, ratio, f'{goal:g}' if goal else '-', share])} |"


def torch_side(threads, channels_last):
    """The module `digits_torch`; None on an accelerator that PyTorch cannot use."""
    on_cpu = jax.default_backend() == "cpu"
    try:
        import torch

        from benchmarks import digits_torch
    except ImportError:
        if on_cpu:
            sys.exit("there is no PyTorch to compare with: pip install torch==2.13.0")
        return None
    if not on_cpu and not torch.cuda.is_available():
        return None
    torch.set_num_threads(threads)
    if channels_last:
        digits_torch.use_channels_last()
    digits_torch.check_sizes()
    return digits_torch


def header(flags, threads, other):
    """What was run on, in words."""
    version = f"PyTorch {other.torch.__version__}" if other else "no PyTorch"
    if flags.channels_last:
        version += ", channels last"
    return f"{processor()}, {results.hardware()}, {version}, threads: {threads}"


def parsed_flags():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vgg", default="", help="VGG16's weights; else random ones")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--devices", type=int, help="of JAX's; on a CPU as --threads")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help=", ".join(COMPARISONS))
    parser.add_argument("--channels_last", action="store_true", help="of PyTorch's")
    parser.add_argument("--row", action="store_true", help="write docs/results/*.json")
    flags = parser.parse_args()
    flags.only = flags.only.split(",") if flags.only else list(COMPARISONS)
    unknown = set(flags.only) - set(COMPARISONS)
    if unknown:
        parser.error(f"--only has {', '.join(COMPARISONS)}, not {', '.join(unknown)}")
    if flags.row and len(flags.only) < len(COMPARISONS):
        parser.error("a row holds all comparisons: --row goes without --only")
    flags.devices = flags.threads if flags.devices is None else flags.devices
    if min(flags.threads, flags.devices, flags.rounds) < 1:
        parser.error("--threads, --devices and --rounds are at least 1")
    return flags


def write_row(flags, description, figures, seconds, rate):
    layout = "_channels_last" if flags.channels_last else ""
    backend = jax.default_backend()
    layout += "" if backend == "cpu" else f"_{backend}"
    chosen = " --vgg=FILE" * bool(flags.vgg) + " --channels_last" * flags.channels_last
    ratios = [
        f"{what} {each['ratio']:.2f}"
        for what, each in figures.items()
        if "ratio" in each
    ]
    results.write(
        f"benchmark_digits{layout}",
        {
            "command": f"python -m benchmarks.digits{chosen} "
            f"--threads={flags.threads} --devices={flags.devices} "
            f"--rounds={flags.rounds} --row",
            "seconds": {"benchmark": seconds},
            "metrics": {"benchmark": figures},
            "note": f"{description}; times as fast: {'; '.join(ratios)}"
            + (f"; the chip's rate: {rate / 1e12:.0f} TFLOP/s" if rate else ""),
        },
    )


def main():
    flags = parsed_flags()
    jax.config.update("jax_num_cpu_devices", flags.devices)
    if jax.default_backend() == "cpu":
        limit_cores(flags.threads)
    threads = min(flags.threads, num_cores())
    other = torch_side(threads, flags.channels_last)
    start = time.perf_counter()
    description = header(flags, threads, other)
    print(f"{description}, {flags.rounds} rounds\n")
    print("| what | ours | PyTorch | ratio (of a round) | goal | of the chip's rate |")
    print("|---|---|---|---|---|---|", flush=True)
    figures, rate = {}, chip_rate()
    for name in flags.only:
        comparison = COMPARISONS[name](flags, other)
        times = seconds_each(comparison, flags.rounds)
        for what, (_, goal) in comparison.others.items():
            figures[what] = figures_of(
                times["ours"], times.get(what), comparison.operations, rate
            )
            print(line(what, comparison.unit, goal, figures[what]), flush=True)
    if flags.row:
        seconds = time.perf_counter() - start
        write_row(flags, description, figures, seconds, rate)


if __name__ == "__main__":
    main()
