"""How long one forward and backward pass of each layer takes: ours against PyTorch.

A pass is the value and the gradients of inputs and kernel. Beside ours is the share of
a large matrix product's rate that it reaches, by the layer's nominal operations (two
per product and sum, in three products), and the time of XLA's own operations, which
`causal_jax.ops.convolution` uses elsewhere than on a CPU, and there forward where they
are as fast. PyTorch's is the fastest of both layouts, eager and compiled.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from benchmarks.harness import Comparison
from causal_jax.networks.layers import MinibatchFeatures
from causal_jax.ops import convolution

BATCH = 64


class Layer(NamedTuple):
    """A convolution over square images.

    Attributes:
      kind: a function of `causal_jax.ops.convolution`: "conv", "conv_transpose" or
        "conv_of_doubled", which doubles every pixel first.
      side: of the input.
      kernel: its side.
      strides: the step, or the factor of a transposed one.
      channels: of the input.
      features: channels of the output.
    """

    kind: str
    side: int
    kernel: int
    strides: int
    channels: int
    features: int

    @property
    def name(self) -> str:
        return (
            f"{self.kind} {self.kernel}x{self.kernel} s{self.strides}, "
            f"{self.side}x{self.side}, {self.channels}->{self.features}"
        )

    @property
    def operations(self) -> float:
        """Nominal ones of value and both gradients."""
        side = self.side
        if self.kind == "conv":  # places at which the kernel is applied
            side = -(-side // self.strides)
        elif self.kind == "conv_of_doubled":
            side *= 2
        products = BATCH * side**2 * self.kernel**2 * self.channels * self.features
        return 3.0 * 2 * products

    def function(self, method: str | None = None) -> Callable:
        """(x, kernel) -> y."""
        function = partial(getattr(convolution, self.kind), method=method)
        if self.kind == "conv_of_doubled":
            return function if method is None else native_of_doubled
        return partial(function, strides=self.strides)


LAYERS = (
    Layer("conv_transpose", 16, 5, 2, 128, 64),  # CausalGAN's generator, width 64
    Layer("conv_transpose", 4, 5, 2, 512, 256),
    Layer("conv_transpose", 8, 5, 2, 256, 128),
    Layer("conv_transpose", 32, 5, 2, 64, 3),
    Layer("conv", 64, 5, 2, 3, 64),  # its discriminator and labelers
    Layer("conv", 32, 5, 2, 64, 128),
    Layer("conv", 16, 5, 2, 128, 256),
    Layer("conv", 8, 5, 2, 256, 512),
    Layer("conv", 4, 5, 2, 128, 256),  # its noise estimator
    Layer("conv", 32, 3, 1, 64, 64),  # CausalBEGAN
    Layer("conv_transpose", 4, 5, 2, 128, 64),  # 32 pixels, width 32
    Layer("conv_transpose", 16, 5, 2, 32, 3),
    Layer("conv", 16, 5, 2, 32, 64),
    Layer("conv", 8, 5, 2, 64, 128),
    Layer("conv_transpose", 8, 4, 2, 128, 64),  # other common kernels
    Layer("conv", 32, 4, 2, 64, 128),
    Layer("conv", 16, 3, 2, 64, 128),
    Layer("conv_of_doubled", 8, 3, 1, 64, 64),  # the textures' of digits
    Layer("conv_of_doubled", 16, 3, 1, 64, 32),
    Layer("conv_of_doubled", 16, 3, 1, 64, 64),  # CausalBEGAN
    Layer("conv_of_doubled", 32, 3, 1, 64, 64),
)


def comparisons(args: argparse.Namespace) -> dict[str, Callable[[], Comparison]]:
    del args
    found: dict[str, Callable[[], Comparison]] = {
        layer.name: partial(compared, layer) for layer in LAYERS
    }
    return {**found, "minibatch_features": minibatch_features}


def compared(layer: Layer) -> Comparison:
    """A convolution against PyTorch's."""
    rng = np.random.RandomState(0)
    x = random(rng, BATCH, layer.side, layer.side, layer.channels)
    kernel = random(rng, layer.kernel, layer.kernel, layer.channels, layer.features)
    shape = jax.eval_shape(layer.function(), x, kernel).shape
    cotangent = random(rng, *shape)
    run = both_ways(layer.function(), x, kernel, cotangent)
    return Comparison(
        what=f"{layer.name}, batch {BATCH}",
        ours=run,
        opponent="layers_torch.convolution",
        settings={
            "file": harness.carried({"x": x, "kernel": kernel, "g": cotangent}),
            "kind": layer.kind,
            "strides": layer.strides,
            "device": torch_device(),
        },
        beside={"native": both_ways(layer.function("native"), x, kernel, cotangent)},
        same=sizes(*run()),
        tolerance=1e-3,
        operations=layer.operations,
        rounds=3,
    )


def minibatch_features(num: int = 512) -> Comparison:
    """Against the layer that forms every difference of every two rows at once."""
    layer = MinibatchFeatures()
    rng = np.random.RandomState(0)
    x = 0.1 * random(rng, BATCH, num)  # so that rows are close enough to count
    cotangent = random(rng, BATCH, layer.num_kernels)
    params = layer.init(jax.random.key(0), x)["params"]["dense"]
    kernel, bias = params["kernel"], params["bias"]

    def function(x: jax.Array, kernel: jax.Array) -> jax.Array:
        dense = {"kernel": kernel, "bias": bias}
        return layer.apply({"params": {"dense": dense}}, x)

    run = both_ways(function, x, kernel, cotangent)
    return Comparison(
        what=f"minibatch features, {num} -> {layer.num_kernels} kernels of dimension "
        f"{layer.kernel_dim}, batch {BATCH}",
        ours=run,
        opponent="layers_torch.minibatch_features",
        settings={
            "file": harness.carried({"x": x, "kernel": kernel, "g": cotangent}),
            "num_kernels": layer.num_kernels,
            "device": torch_device(),
        },
        same=sizes(*run()),
        tolerance=1e-3,
        rounds=3,
    )


def both_ways(
    function: Callable, x: jax.Array, kernel: jax.Array, cotangent: jax.Array
) -> Callable[[], tuple]:
    """What runs value and both gradients and waits for them."""

    @jax.jit
    def passed(x: jax.Array, kernel: jax.Array, cotangent: jax.Array) -> tuple:
        y, pullback = jax.vjp(function, x, kernel)
        return y, *pullback(cotangent)

    return lambda: jax.block_until_ready(passed(x, kernel, cotangent))


def sizes(y: Any, of_x: Any, of_kernel: Any) -> dict[str, float]:
    """Root mean squares of what a pass gives."""
    named = {"value": y, "gradient of x": of_x, "gradient of the kernel": of_kernel}
    return {name: float(jnp.sqrt(jnp.mean(a**2))) for name, a in named.items()}


def native_of_doubled(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """As one writes it with XLA's operations."""
    doubled = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
    return convolution.conv(doubled, kernel, method="native")


def random(rng: np.random.RandomState, *shape: int) -> jax.Array:
    return jnp.asarray(rng.randn(*shape), jnp.float32)


def torch_device() -> str:
    return "cpu" if jax.default_backend() == "cpu" else "cuda"
