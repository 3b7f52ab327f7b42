"""The PyTorch side of `benchmarks.digits`: networks, train steps and sampling.

Sauer & Geiger (ICLR 2021, arXiv 2101.06046), the MNIST part, written for the comparison
and run as the reference code runs it: eagerly, float32, channels first unless
`use_channels_last` was called. Differences from that code, both to PyTorch's advantage:
VGG16's last block, which it computes and does not use, is left out, and batches are
rows of tensors in memory, not a loader's. Initial weights are PyTorch's own, which
speed does not depend on.
"""

import jax
import torch
from torch import nn
from torch.nn import functional

_SIZE = 32
_NUM_CLASSES = 10
_NOISE_SIZE = 32
_DEVICE = "cpu" if jax.default_backend() == "cpu" else "cuda"
_layout = torch.contiguous_format


def use_channels_last():
    """Lays out all images and kernels as PyTorch's CPU kernels like it best."""
    global _layout
    _layout = torch.channels_last


class CGN(nn.Module):
    """The networks of mask, foreground and background; they share an embedding."""

    def __init__(self, width=32):
        super().__init__()
        self.label_embedding = nn.Embedding(_NUM_CLASSES, _NUM_CLASSES)
        self.shape = nn.Sequential(
            *_first(2 * width),
            nn.InstanceNorm2d(2 * width),
            *_doubled(2 * width, width),
            nn.InstanceNorm2d(width),
            *_doubled(width, 1),
            nn.InstanceNorm2d(1),
        )
        self.textures = nn.ModuleList(
            nn.Sequential(
                *_first(2 * width),
                *_doubled(2 * width, 2 * width),
                *_doubled(2 * width, width),
                nn.Conv2d(width, 3, 3, padding=1),
                nn.BatchNorm2d(3),
                nn.Tanh(),
            )
            for _ in range(2)
        )

    def forward(self, labels, counterfactual=False):
        """Labels [B] to mask [B, 1, 32, 32], foreground and background [B, 3, 32, 32].

        A counterfactual's parts have noise of their own, and the textures' labels are
        permuted; a factual image has one noise vector.
        """
        inputs = [self.inputs(labels)] * 3
        if counterfactual:
            permuted = [labels[torch.randperm(len(labels))] for _ in range(2)]
            inputs = [self.inputs(each) for each in (labels, *permuted)]
        return self.mask(inputs[0]), *self.texture_pair(inputs[1:])

    def inputs(self, labels):
        """Noise and label embedding."""
        noise = torch.randn(len(labels), _NOISE_SIZE, device=labels.device)
        return torch.cat([noise, self.label_embedding(labels)], dim=1)

    def mask(self, inputs):
        return self.shape(inputs).clamp(1e-4, 0.9999)

    def texture_pair(self, inputs):
        return [_shuffled(f(x)) for f, x in zip(self.textures, inputs, strict=True)]


def _first(features):
    side = _SIZE // 4
    linear = nn.Linear(_NOISE_SIZE + _NUM_CLASSES, features * side**2)
    return linear, nn.Unflatten(1, (features, side, side))


def _doubled(channels, features):
    return (
        nn.Upsample(scale_factor=2),
        nn.Conv2d(channels, features, 3, padding=1, bias=False),
        nn.BatchNorm2d(features),
        nn.LeakyReLU(0.2, inplace=True),
    )


def _shuffled(textures):
    """Tiles each texture 2x2 and cuts an image out at a random place."""
    tiled = textures.repeat(1, 1, 2, 2)
    places = torch.randint(_SIZE + 1, (len(textures), 2)).tolist()
    cut = [
        image[:, row : row + _SIZE, column : column + _SIZE]
        for image, (row, column) in zip(tiled, places, strict=True)
    ]
    return torch.stack(cut)


def _compose(mask, foreground, background):
    return mask * foreground + (1 - mask) * background


class LinearDiscriminator(nn.Module):
    """Image and label embedding to one number."""

    def __init__(self, width=512):
        super().__init__()
        self.label_embedding = nn.Embedding(_NUM_CLASSES, _NUM_CLASSES)
        self.layers = nn.Sequential(
            nn.Linear(3 * _SIZE**2 + _NUM_CLASSES, width),
            nn.LeakyReLU(0.2, inplace=True),
            *(nn.Linear(width, width), nn.Dropout(0.4), nn.LeakyReLU(0.2)),
            *(nn.Linear(width, width), nn.Dropout(0.4), nn.LeakyReLU(0.2)),
            nn.Linear(width, 1),
        )

    def forward(self, images, labels):
        """[B, 3, 32, 32], [B] -> [B, 1]."""
        embedded = self.label_embedding(labels)
        return self.layers(torch.cat([images.flatten(1), embedded], dim=1))


def digit_classifier():
    return nn.Sequential(
        nn.BatchNorm2d(3),
        *(nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(inplace=True)),
        nn.MaxPool2d(3, 2, padding=1),
        *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(32, 64, 3, 2, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.AvgPool2d(7), nn.Flatten()),
        *(nn.Linear(64, _NUM_CLASSES), nn.LogSoftmax(dim=1)),
    )


def vgg_blocks(blocks):
    """Frozen blocks of convolutions, each after the first with a pooling before it.

    Args:
      blocks: for each block its (kernel [kh, kw, I, O], bias [O]) as numpy arrays.
    """
    modules = []
    for block in blocks:
        layers = [nn.MaxPool2d(2)] if modules else []
        for kernel, bias in block:
            conv = nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1)
            conv.weight.data = torch.tensor(kernel.transpose(3, 2, 0, 1).copy())
            conv.bias.data = torch.tensor(bias)
            layers += [conv, nn.ReLU(inplace=True)]
        modules.append(_placed(nn.Sequential(*layers).requires_grad_(False)))
    return modules


def style_loss(blocks, fake, real, weights):
    """Weighted mean absolute differences of Gram matrices."""
    total = 0.0
    for block, weight in zip(blocks, weights, strict=False):
        fake, real = block(fake), block(real)
        if weight:
            total = total + weight * functional.l1_loss(_gram(fake), _gram(real))
    return total


def _gram(features):
    features = features.flatten(2)
    return features @ features.mT / features[0].numel()


def check_sizes():
    """Checks that these are the reference's networks, by their numbers of weights."""
    for module, expected in (
        (CGN(), 659_992),
        (LinearDiscriminator(), 2_104_421),
        (digit_classifier(), 67_760),
    ):
        number = sum(p.numel() for p in module.parameters())
        assert number == expected, f"{number} parameters, not {expected}"


def cgn_steps(images, labels, num_steps, blocks, settings):
    """A function that takes train steps: the generator's, then the discriminator's.

    Args:
      images: numpy [N, 3, 32, 32].
      labels: numpy int [N].
      num_steps: steps a call.
      blocks: what `vgg_blocks` gives; none for no style loss.
      settings: of `causal_jax.training.cgn.REFERENCE`.
    """
    images, labels = _tensors(images, labels)
    model, critic = _placed(CGN()), _placed(LinearDiscriminator())
    adam = {"lr": settings["learning_rate"], "betas": settings["betas"]}
    optimizer = torch.optim.Adam(model.parameters(), **adam)
    critic_optimizer = torch.optim.Adam(critic.parameters(), **adam)
    size = settings["batch_size"]
    ones = torch.ones(size, 1, device=_DEVICE)
    zeros = torch.zeros(size, 1, device=_DEVICE)

    def step():
        rows = torch.randint(len(images), (size,), device=_DEVICE)
        real, real_labels = images[rows], labels[rows]
        fake_labels = torch.randint(_NUM_CLASSES, (size,), device=_DEVICE)

        optimizer.zero_grad()
        mask, foreground, background = model(fake_labels)
        fake = _compose(mask, foreground, background)
        entropy = -(mask * mask.log2() + (1 - mask) * (1 - mask).log2()).mean()
        loss = functional.mse_loss(critic(fake, fake_labels), ones)
        loss = loss + settings["mask_weight"] * entropy
        loss = loss + style_loss(blocks, fake, real, settings["style_weights"])
        loss.backward()
        optimizer.step()

        critic_optimizer.zero_grad()
        real_loss = functional.mse_loss(critic(real, real_labels), ones)
        fake_loss = functional.mse_loss(critic(fake.detach(), fake_labels), zeros)
        ((real_loss + fake_loss) / 2).backward()
        critic_optimizer.step()

    return _repeated(step, num_steps)


def classifier_steps(images, labels, num_steps, batch_size):
    """A function that takes train steps of the digit classifier; see `cgn_steps`."""
    images, labels = _tensors(images, labels)
    module = _placed(digit_classifier())
    optimizer = torch.optim.Adadelta(module.parameters(), lr=1.0)

    def step():
        rows = torch.randint(len(images), (batch_size,), device=_DEVICE)
        optimizer.zero_grad()
        functional.nll_loss(module(images[rows]), labels[rows]).backward()
        optimizer.step()

    return _repeated(step, num_steps)


def official_sampling(num, per_mask, batch_size=100):
    """A function that draws counterfactuals as the reference does.

    Every pass runs all three networks, and autograd records it.
    """
    model = _placed(CGN()).eval()

    def batch():
        labels = torch.randint(_NUM_CLASSES, (batch_size,), device=_DEVICE)
        mask, _, _ = model(labels)
        drawn = []
        for _ in range(per_mask):
            _, foreground, background = model(labels, counterfactual=True)
            drawn.append(_compose(mask, foreground, background).detach().cpu())
        return torch.cat(drawn), labels.repeat(per_mask).cpu()

    return _repeated(batch, num // (batch_size * per_mask))


def lean_sampling(num, per_mask, batch_size=100):
    """The same without autograd and without networks whose result is not used."""
    model = _placed(CGN()).eval()

    @torch.no_grad()
    def batch():
        labels = torch.randint(_NUM_CLASSES, (batch_size,), device=_DEVICE)
        mask = model.mask(model.inputs(labels))
        drawn = []
        for _ in range(per_mask):
            permuted = [labels[torch.randperm(batch_size)] for _ in range(2)]
            pair = model.texture_pair([model.inputs(each) for each in permuted])
            drawn.append(_compose(mask, *pair).cpu())
        return torch.cat(drawn), labels.repeat(per_mask).cpu()

    return _repeated(batch, num // (batch_size * per_mask))


def _tensors(images, labels):
    images = torch.tensor(images, device=_DEVICE).contiguous(memory_format=_layout)
    return images, torch.tensor(labels, device=_DEVICE)


def _placed(module):
    return module.to(_DEVICE, memory_format=_layout)


def _repeated(step, num):
    def run():
        for _ in range(num):
            step()
        if _DEVICE == "cuda":
            torch.cuda.synchronize()

    return run
