"""The PyTorch side of `benchmarks.layers`: a pass forward and backward of one layer."""

import torch
from torch.nn import functional

from benchmarks import torch_ways


def convolution(file, kind, strides, device):
    """A convolution, its inputs turned so that PyTorch's padding is SAME's.

    SAME has the odd zero behind the image, PyTorch before it: of turned images and a
    turned kernel it computes the turned result. (A transposed one turns its kernel.)
    """

    def make(way):
        carried = torch_ways.read(file)
        x, g = (way.placed(turned(carried[name], (1, 2))) for name in ("x", "g"))
        kernel = carried["kernel"]
        size = kernel.shape[0]
        if kind != "conv_transpose":
            kernel = kernel.flip(0, 1)
        order = (2, 3, 0, 1) if kind == "conv_transpose" else (3, 2, 0, 1)
        kernel = way.placed(kernel.permute(*order).contiguous())
        padding = (size - strides + 1) // 2

        def layer(x, kernel):
            if kind == "conv_transpose":
                extra = (size - strides) % 2
                return functional.conv_transpose2d(
                    x, kernel, None, strides, padding, extra
                )
            if kind == "conv_of_doubled":
                x = functional.interpolate(x, scale_factor=2)
            return functional.conv2d(x, kernel, None, strides, padding)

        return pass_of(layer, x, kernel, g, way)

    return torch_ways.fastest(make, torch_ways.of_images(device))


def minibatch_features(file, num_kernels, device):
    """Every difference of two rows at once, [B, B, kernels, dimension]."""

    def make(way):
        carried = torch_ways.read(file)
        x, kernel, g = (way.placed(carried[name]) for name in ("x", "kernel", "g"))
        others = way.placed(1 - torch.eye(len(x)))[..., None]

        def layer(x, kernel):
            rows = (x @ kernel).unflatten(1, (num_kernels, -1))
            distances = (rows[:, None] - rows[None]).abs().sum(dim=3)
            return (torch.exp(-distances) * others).sum(dim=1) / len(rows)

        return pass_of(layer, x, kernel, g, way)

    return torch_ways.fastest(make, torch_ways.of_rows(device))


def pass_of(layer, x, kernel, g, way):
    """What runs value and both gradients, and what says how large they are."""
    x, kernel = x.requires_grad_(), kernel.requires_grad_()
    function = way.function(layer)

    def passed():
        y = function(x, kernel)
        return y, *torch.autograd.grad(y, (x, kernel), g)

    def numbers():
        names = ("value", "gradient of x", "gradient of the kernel")
        found = zip(names, passed(), strict=True)
        return {name: each.detach().square().mean().sqrt() for name, each in found}

    return way.repeated(passed, 1), numbers


def turned(images, axes):
    """By 180 degrees, channels first."""
    return images.flip(*axes).permute(0, 3, 1, 2).contiguous()
