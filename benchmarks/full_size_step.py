"""What a full-size step of a counterfactual network on natural images takes.

    python -m benchmarks.full_size_step [--parts=4] [--size=256] [--dtype=float32]
                                        [--no_remat] [--run] [--row]

BigGAN-deep at 256 pixels three times, a fourth that stays as it is, the full U2-Net and
VGG16, as `imagenet_cgn` trains them with the published weights: a step is compiled for
this machine's device with one part of `parts` pictures, nothing is drawn or run, and
the compiler says what memory and how many operations it takes. The default config
takes 1,000 such parts a step and 300 steps. --run draws random weights, runs the step
twice and times the second; --row keeps the numbers.
"""

import argparse
import resource
import time

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.networks import vgg
from causal_jax.networks.cgn import imagenet
from causal_jax.networks.cgn.composition import PARTS
from causal_jax.training import parallel
from causal_jax.training.cgn_imagenet import cgn_imagenet
from experiments import results

GIB, TERA = 2**30, 1e12


def algorithm(args):
    """The training of one part, with weights as a masker's and VGG16's `init` has."""
    scm = imagenet.scm(size=args.size)
    features = vgg.VGG16Features()
    images = jnp.zeros((1, args.size, args.size, 3))

    def start(key):
        params = scm.init(key)
        return params, params["texture"], features.init(key, images)

    return cgn_imagenet(
        scm,
        start,
        features.apply,
        batch_size=args.parts,
        remat=not args.no_remat,
        dtype=jnp.dtype(args.dtype),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", type=int, default=4, help="pictures of a part")
    parser.add_argument("--size", type=int, default=256, choices=(128, 256, 512))
    parser.add_argument("--dtype", default="float32", help="of the generators' blocks")
    parser.add_argument("--no_remat", action="store_true")
    parser.add_argument("--run", action="store_true", help="run and time it too")
    parser.add_argument("--row", action="store_true", help="write the results' row")
    args = parser.parse_args()

    trained = algorithm(args)
    key = jax.random.key(0)
    state = jax.eval_shape(trained.init, key)
    data = {"labels": jnp.zeros(args.parts, jnp.int32)}
    device = jax.devices()[:1]
    steps = parallel.train_steps(trained, num_steps=1, devices=device)

    def of_one_device(tree):
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((1, *x.shape), x.dtype), tree
        )

    started = time.perf_counter()
    given = of_one_device(state), of_one_device(data), key, 0
    program = steps.lower(*given).compile()
    found = {"compile_seconds": time.perf_counter() - started}
    taken = parallel.memory(program)
    found["kept_gib"], found["of_step_gib"] = taken.kept / GIB, taken.of_step / GIB
    found["tera_operations"] = program.cost_analysis()["flops"] / TERA
    found["trained_parameters"] = sum(
        int(np.prod(leaf.shape))
        for part in PARTS
        for leaf in jax.tree.leaves(state.model[part]["generator"]["params"])
    )
    if args.run:
        found["seconds"] = timed(trained, program, data, key)
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found["process_gib"] = kilobytes * 1024 / GIB  # at most, compilation included
    for name, value in found.items():
        print(f"{name.replace('_', ' '):20s} {value:.4g}")
    if args.row:
        cell = f"full_size_step_{args.size}_{args.parts}_{args.dtype}"
        cell += "_no_remat" * args.no_remat
        command = (
            f"python -m benchmarks.full_size_step --size={args.size} "
            f"--parts={args.parts} --dtype={args.dtype}"
            f"{' --no_remat' * args.no_remat}{' --run' * args.run} --row"
        )
        seconds = {"compile": found.pop("compile_seconds")}
        metrics = {"benchmark": found}
        results.write(
            cell, {"command": command, "seconds": seconds, "metrics": metrics}
        )


def timed(trained, program, data, key) -> float:
    """Seconds of the second step, with random weights."""
    state = parallel.replicate(jax.jit(trained.init)(key), jax.devices()[:1])
    data = jax.tree.map(lambda leaf: leaf[None], data)
    for step in range(2):
        started = time.perf_counter()
        state, _ = jax.block_until_ready(program(state, data, key, step))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
