"""How long one forward and backward pass of each layer takes: native against ours.

    python -m benchmarks.convolutions [--batch_size=64]

Runs alternate between the methods, so that a busy machine slows both alike, and
medians are compared. PyTorch's figure is added where `torch` can be imported.
"""

import argparse
import functools
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from causal_jax.ops.convolution import conv, conv_transpose

try:
    import torch
except ImportError:
    torch = None

# (transposed, side of the input, kernel size, strides, channels in, channels out)
LAYERS = (
    (True, 16, 5, 2, 128, 64),  # CausalGAN's generator at 64 pixels, width 64
    (True, 4, 5, 2, 512, 256),
    (True, 8, 5, 2, 256, 128),
    (True, 32, 5, 2, 64, 3),
    (False, 64, 5, 2, 3, 64),  # its discriminator and labelers
    (False, 32, 5, 2, 64, 128),
    (False, 16, 5, 2, 128, 256),
    (False, 8, 5, 2, 256, 512),
    (False, 4, 5, 2, 128, 256),  # its noise estimator
    (False, 32, 3, 1, 64, 64),  # CausalBEGAN
    (True, 4, 5, 2, 128, 64),  # 32 pixels, width 32
    (True, 16, 5, 2, 32, 3),
    (False, 16, 5, 2, 32, 64),
    (False, 8, 5, 2, 64, 128),
    (True, 8, 4, 2, 128, 64),  # other common kernels
    (False, 32, 4, 2, 64, 128),
    (False, 16, 3, 2, 64, 128),
)


def layer_name(layer):
    transposed, side, kernel, strides, channels, features = layer
    kind = "conv_transpose" if transposed else "conv"
    return f"{kind} {kernel}x{kernel} s{strides}, {side}x{side}, {channels}->{features}"


# How `causal_jax.ops.convolution` calls them; the second one is a CPU's alone.
METHODS = {"native": "native", "matmul": None}


def jax_pass(layer, method, batch_size):
    """A function that runs value and both gradients, and waits for them."""
    transposed, side, kernel, strides, channels, features = layer
    conv_fn = conv_transpose if transposed else conv
    conv_fn = functools.partial(conv_fn, strides=strides, method=METHODS[method])
    rng = np.random.RandomState(0)
    x = jnp.asarray(rng.randn(batch_size, side, side, channels), jnp.float32)
    weights = jnp.asarray(rng.randn(kernel, kernel, channels, features), jnp.float32)
    shape = jax.eval_shape(conv_fn, x, weights).shape
    cotangent = jnp.asarray(rng.randn(*shape), jnp.float32)

    @jax.jit
    def run(x, weights, cotangent):
        y, pullback = jax.vjp(conv_fn, x, weights)
        return y, pullback(cotangent)

    return lambda: jax.block_until_ready(run(x, weights, cotangent))


def torch_pass(layer, batch_size):
    """The same pass in PyTorch, channels last as its CPU kernels like it."""
    transposed, side, kernel, strides, channels, features = layer
    functional = torch.nn.functional
    shape = (channels, features) if transposed else (features, channels)
    x = torch.randn(batch_size, channels, side, side)
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    weights = torch.randn(*shape, kernel, kernel).requires_grad_()

    def run():
        settings = {"stride": strides, "padding": (kernel - strides + 1) // 2}
        if transposed:
            settings["output_padding"] = (kernel - strides) % 2
            y = functional.conv_transpose2d(x, weights, **settings)
        else:
            y = functional.conv2d(x, weights, **settings)
        torch.autograd.grad(y, (x, weights), torch.ones_like(y))

    return run


def median_times(passes, repeats):
    """Median milliseconds of each pass, runs alternating."""
    for run in passes.values():
        run()  # compiles
    times = {name: [] for name in passes}
    for _ in range(repeats):
        for name, run in passes.items():
            start = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(each) for name, each in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    flags = parser.parse_args()
    methods = [*METHODS] + (["torch"] if torch else [])
    print(f"forward + backward, ms, batch {flags.batch_size}, {jax.default_backend()}")
    print(f"| layer | {' | '.join(methods)} | native / matmul |")
    print("|---" * (len(methods) + 2) + "|")
    for layer in LAYERS:
        passes = {m: jax_pass(layer, m, flags.batch_size) for m in METHODS}
        if torch:
            passes["torch"] = torch_pass(layer, flags.batch_size)
        times = median_times(passes, flags.repeats)
        cells = " | ".join(f"{times[name]:.1f}" for name in methods)
        ratio = times["native"] / times["matmul"]
        print(f"| {layer_name(layer)} | {cells} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
