"""The networks of `benchmarks.digits_torch`, with weights of ours.

Sauer & Geiger (ICLR 2021, arXiv 2101.06046), reference code `models/`; kernels of ours
are [height, width, in, out], those of PyTorch [out, in, height, width].
"""

import torch
from torch import nn
from torch.nn import functional

SIZE = 32
NUM_CLASSES = 10
NOISE_SIZE = 32
_VGG_BLOCKS = (2, 2, 3, 3)  # convolutions of each
_SLOPE = 0.2


class CGN(nn.Module):
    """The networks of mask, foreground and background; they share an embedding.

    Attributes:
      sliced: textures are cut one by one, as the reference does; else by indices, which
        can be compiled.
    """

    def __init__(self, weights, sliced=True):
        super().__init__()
        self.sliced = sliced
        shape = weights["shape"]["params"]
        self.label_embedding = embedding(shape["label_embedding"])
        self.shape = nn.Sequential(
            *_first(shape),
            nn.InstanceNorm2d(64),
            *_doubled(shape, 0),
            nn.InstanceNorm2d(32),
            *_doubled(shape, 1),
            nn.InstanceNorm2d(1),
        )
        self.textures = nn.ModuleList(
            _texture(weights[part]["params"]) for part in ("texture", "background")
        )

    def forward(self, noises, labels, offsets):
        """Three noises [B, 32] and labels [B] to mask, foreground and background."""
        pair = self.texture_pair(noises[1:], labels[1:], offsets)
        return self.mask(noises[0], labels[0]), *pair

    def inputs(self, noise, labels):
        return torch.cat([noise, self.label_embedding(labels)], dim=1)

    def mask(self, noise, labels):
        """[B, 1, 32, 32]."""
        return self.shape(self.inputs(noise, labels)).clamp(1e-4, 0.9999)

    def texture_pair(self, noises, labels, offsets):
        """Two [B, 3, 32, 32], cut out of their tiles at int offsets [2, B, 2]."""
        cut = _sliced if self.sliced else _gathered
        inputs = [self.inputs(*each) for each in zip(noises, labels, strict=True)]
        drawn = [f(x) for f, x in zip(self.textures, inputs, strict=True)]
        return [cut(x, offset) for x, offset in zip(drawn, offsets, strict=True)]


def _texture(weights):
    return nn.Sequential(
        *_first(weights),
        *_doubled(weights, 0),
        *_doubled(weights, 1),
        convolution(weights["conv_2"], padding=1),
        batch_norm(weights["norm_2"]["norm"]),
        nn.Tanh(),
    )


def _first(weights):
    """A linear layer whose outputs are [8, 8, features] with us."""
    side = SIZE // 4
    kernel, bias = weights["linear"]["kernel"], weights["linear"]["bias"]
    features = len(bias) // side**2
    kernel = kernel.reshape(-1, side, side, features).permute(0, 3, 1, 2).flatten(1)
    bias = bias.reshape(side, side, features).permute(2, 0, 1).flatten()
    layer = linear({"kernel": kernel, "bias": bias})
    return layer, nn.Unflatten(1, (features, side, side))


def _doubled(weights, index):
    return (
        nn.Upsample(scale_factor=2),
        convolution(weights[f"conv_{index}"], padding=1),
        batch_norm(weights[f"norm_{index}"]["norm"]),
        nn.LeakyReLU(_SLOPE, inplace=True),
    )


def _sliced(textures, offsets):
    """Tiles each texture 2x2 and cuts an image out at its place."""
    tiled = textures.repeat(1, 1, 2, 2)
    cut = [
        image[:, row : row + SIZE, column : column + SIZE]
        for image, (row, column) in zip(tiled, offsets.tolist(), strict=True)
    ]
    return torch.stack(cut)


def _gathered(textures, offsets):
    """The same by indices."""
    places = torch.arange(SIZE, device=textures.device)
    rows, columns = ((offsets[:, i, None] + places) % SIZE for i in (0, 1))
    cut = textures.gather(2, rows[:, None, :, None].expand_as(textures))
    return cut.gather(3, columns[:, None, None, :].expand_as(textures))


def compose(mask, foreground, background):
    return mask * foreground + (1 - mask) * background


class LinearDiscriminator(nn.Module):
    """Image, label embedding and factors of two hidden layers to one number."""

    width = 512

    def __init__(self, weights):
        super().__init__()
        self.label_embedding = embedding(weights["label_embedding"])
        layers = [dict(weights[f"linear_{i}"]) for i in range(4)]
        kernel = layers[0]["kernel"]  # pixels with us [32, 32, 3], here [3, 32, 32]
        pixels = kernel[: 3 * SIZE**2].reshape(SIZE, SIZE, 3, -1)
        pixels = pixels.permute(2, 0, 1, 3).reshape(3 * SIZE**2, -1)
        layers[0]["kernel"] = torch.cat([pixels, kernel[3 * SIZE**2 :]])
        self.layers = nn.ModuleList(linear(layer) for layer in layers)

    def forward(self, images, labels, dropout):
        """[B, 3, 32, 32], [B], [B, 2, width] -> [B]."""
        embedded = self.label_embedding(labels)
        x = torch.cat([images.flatten(1), embedded], dim=1)
        x = functional.leaky_relu(self.layers[0](x), _SLOPE)
        for i in (0, 1):
            x = functional.leaky_relu(self.layers[i + 1](x) * dropout[:, i], _SLOPE)
        return self.layers[3](x)[:, 0]


def digit_classifier(weights):
    """67,760 parameters."""
    first = weights["conv_0"]
    return nn.Sequential(
        batch_norm({"scale": first["scale"], "bias": first["shift"]}),
        *(convolution(first, padding=2), nn.ReLU(inplace=True)),
        nn.MaxPool2d(3, 2, padding=1),
        *(convolution(weights["conv_1"], padding=1), nn.ReLU(inplace=True)),
        *(convolution(weights["conv_2"], 2, padding=1), nn.ReLU(inplace=True)),
        *(convolution(weights["conv_3"], padding=1), nn.ReLU(inplace=True)),
        *(nn.AvgPool2d(7), nn.Flatten(), linear(weights["linear"])),
    )


def vgg_blocks(weights):
    """Frozen blocks of convolutions, each after the first with a pooling before it."""
    if not weights:
        return []
    modules, index = [], 0
    for length in _VGG_BLOCKS:
        layers = [nn.MaxPool2d(2)] if modules else []
        for i in range(index, index + length):
            layers += [convolution(weights[f"conv_{i}"], padding=1)]
            layers += [nn.ReLU(inplace=True)]
        modules.append(nn.Sequential(*layers).requires_grad_(False))
        index += length
    return modules


def style_loss(blocks, fake, real, weights):
    """Weighted mean absolute differences of Gram matrices."""
    total = torch.zeros((), device=fake.device)
    for block, weight in zip(blocks, weights, strict=False):
        fake, real = block(fake), block(real)
        if weight:
            total = total + weight * functional.l1_loss(_gram(fake), _gram(real))
    return total


def _gram(features):
    features = features.flatten(2)
    return features @ features.mT / features[0].numel()


# --- layers with weights of ours ------------------------------------------------------


def linear(weights):
    layer = nn.Linear(*weights["kernel"].shape)
    layer.weight.data = weights["kernel"].T.contiguous()
    layer.bias.data = weights["bias"].clone()
    return layer


def convolution(weights, strides=1, *, padding):
    kernel = weights["kernel"]
    sizes = {"kernel_size": tuple(kernel.shape[:2]), "bias": "bias" in weights}
    layer = nn.Conv2d(*kernel.shape[2:], stride=strides, padding=padding, **sizes)
    layer.weight.data = kernel.permute(3, 2, 0, 1).contiguous()
    if "bias" in weights:
        layer.bias.data = weights["bias"].clone()
    return layer


def batch_norm(weights):
    layer = nn.BatchNorm2d(len(weights["scale"]))
    layer.weight.data, layer.bias.data = (
        weights["scale"].clone(),
        weights["bias"].clone(),
    )
    return layer


def embedding(weights):
    return nn.Embedding.from_pretrained(weights["embedding"].clone(), freeze=False)
