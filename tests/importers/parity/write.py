"""Writes the files beside this one: networks of PyTorch with random weights, and what
they make of drawn pictures.

    python tests/importers/parity/write.py

needs torch, safetensors and onnx (none of them a requirement of the library). The
networks are written after the papers and the published layouts of names, narrow, so
that the files are small; batch normalisations have statistics of their own.
"""

import gzip
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import vgg_weights
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent
U2NET_CHANNELS = ((2, 4), (2, 6)) + ((2, 4),) * 9
FULL = ((32, 64), (32, 128), (64, 256), (128, 512), (256, 512), (256, 512)) + (
    *((256, 512), (128, 256), (64, 128), (32, 64), (16, 64)),
)
SMALL = ((16, 64),) * 11


# --- U2-Net ---------------------------------------------------------------------------


class ConvNormRelu(nn.Module):
    def __init__(self, channels, features, dilation):
        super().__init__()
        self.conv_s1 = nn.Conv2d(
            channels, features, 3, padding=dilation, dilation=dilation
        )
        self.bn_s1 = nn.BatchNorm2d(features)

    def forward(self, x):
        return F.relu(self.bn_s1(self.conv_s1(x)))


def enlarged(x, like, align_corners):
    size = like.shape[2:]
    return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)


def halved(x):
    return F.max_pool2d(x, 2, stride=2, ceil_mode=True)


class Block(nn.Module):
    """RSU of a depth, or the dilated one for depth 0."""

    def __init__(self, depth, channels, inside, outside, align_corners):
        super().__init__()
        self.depth, self.align_corners = depth or 4, align_corners
        self.is_dilated = not depth
        self.rebnconvin = ConvNormRelu(channels, outside, 1)
        for i in range(1, self.depth + 1):
            dilation = 2 ** (i - 1) if self.is_dilated else (2 if i == depth else 1)
            layer = ConvNormRelu(outside if i == 1 else inside, inside, dilation)
            setattr(self, f"rebnconv{i}", layer)
        for i in range(self.depth - 1, 0, -1):
            dilation = 2 ** (i - 1) if self.is_dilated else 1
            layer = ConvNormRelu(2 * inside, inside if i > 1 else outside, dilation)
            setattr(self, f"rebnconv{i}d", layer)

    def forward(self, x):
        y = self.rebnconvin(x)
        found = [self.rebnconv1(y)]
        for i in range(2, self.depth + 1):
            x = found[-1]
            if not self.is_dilated and i < self.depth:
                x = halved(x)
            found.append(getattr(self, f"rebnconv{i}")(x))
        x = found.pop()
        for i in range(self.depth - 1, 0, -1):
            skip = found.pop()
            if x.shape[2:] != skip.shape[2:]:
                x = enlarged(x, skip, self.align_corners)
            x = getattr(self, f"rebnconv{i}d")(torch.cat((x, skip), 1))
        return x + y


class U2Net(nn.Module):
    """Gives the seven logits [B, 7, H, W], the fused one first."""

    def __init__(self, channels, align_corners=False):
        super().__init__()
        self.align_corners = align_corners
        depths = (7, 6, 5, 4, 0, 0, 0, 4, 5, 6, 7)
        outs = [outside for _, outside in channels]
        ins = [3, *outs[:5]]  # then the stage below and the skip
        ins += [outs[5] + outs[4], *(outs[5 + i] + outs[4 - i] for i in range(1, 5))]
        names = [f"stage{i}" for i in range(1, 7)]
        names += [f"stage{i}d" for i in range(5, 0, -1)]
        for name, depth, into, (inside, outside) in zip(
            names, depths, ins, channels, strict=True
        ):
            setattr(self, name, Block(depth, into, inside, outside, align_corners))
        for i, out in enumerate((*reversed(outs[6:]), outs[5]), 1):
            setattr(self, f"side{i}", nn.Conv2d(out, 1, 3, padding=1))
        self.outconv = nn.Conv2d(6, 1, 1)

    def forward(self, x):
        skips = []
        for i in range(1, 7):
            x = getattr(self, f"stage{i}")(x if i == 1 else halved(x))
            skips.append(x)
        found = [skips.pop()]
        for i in range(5, 0, -1):
            skip = skips.pop()
            x = torch.cat((enlarged(found[-1], skip, self.align_corners), skip), 1)
            found.append(getattr(self, f"stage{i}d")(x))
        sides = [getattr(self, f"side{i}")(x) for i, x in enumerate(found[::-1], 1)]
        sides = [enlarged(x, sides[0], self.align_corners) for x in sides]
        sides = torch.cat(sides, 1)
        return torch.cat((self.outconv(sides), sides), 1)


# --- ResNet ---------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, channels, features, stride, is_bottleneck):
        super().__init__()
        sizes = [(channels, features, 3, stride), (features, features, 3, 1)]
        if is_bottleneck:
            out = 4 * features
            sizes = [(channels, features, 1, 1), (features, features, 3, stride)]
            sizes += [(features, out, 1, 1)]
        for i, (into, out, kernel, step) in enumerate(sizes, 1):
            conv = nn.Conv2d(into, out, kernel, step, kernel // 2, bias=False)
            setattr(self, f"conv{i}", conv)
            setattr(self, f"bn{i}", nn.BatchNorm2d(out))
        self.num, self.downsample = len(sizes), None
        if stride > 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x):
        y = x
        for i in range(1, self.num + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = F.relu(y) if i < self.num else y
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, sizes, is_bottleneck, width, num_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.num, channels = len(sizes), width
        for stage, num_blocks in enumerate(sizes):
            blocks, features = [], width * 2**stage
            for i in range(num_blocks):
                step = 2 if stage and not i else 1
                blocks.append(Residual(channels, features, step, is_bottleneck))
                channels = features * (4 if is_bottleneck else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for i in range(1, self.num + 1):
            x = getattr(self, f"layer{i}")(x)
        return self.fc(x.mean((2, 3)))


# --- files ----------------------------------------------------------------------------


def drawn(num, height, width, seed):
    """Discs and stripes of random colours, uint8 [num, height, width, 3]."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    images = np.empty((num, height, width, 3), np.uint8)
    for image in images:
        image[:] = random.integers(0, 256, 3)
        image[(rows + columns) % 8 < 3] = random.integers(0, 256, 3)
        row, column = random.uniform(0.3, 0.7, 2) * (height, width)
        disc = (rows - row) ** 2 + (columns - column) ** 2 < (height / 4) ** 2
        image[disc] = random.integers(0, 256, 3)
    return images


def randomised(network, seed):
    """Weights that keep the signal's size, statistics that are not 0 and 1."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.4)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.2)
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return network.eval()


@torch.no_grad()
def outputs(network, images):
    x = torch.from_numpy(images.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    return network(x).numpy()


def write_u2net():
    network = randomised(U2Net(U2NET_CHANNELS), seed=0)
    aligned = randomised(U2Net(U2NET_CHANNELS, align_corners=True), seed=0)
    odd, even = drawn(1, 25, 38, seed=0), drawn(1, 32, 32, seed=1)
    np.savez_compressed(
        HERE / "u2net.npz",
        odd=odd,
        odd_centres=outputs(network, odd).transpose(0, 2, 3, 1),
        odd_corners=outputs(aligned, odd).transpose(0, 2, 3, 1),
        even=even,
        even_centres=outputs(network, even).transpose(0, 2, 3, 1),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        save_file(network.state_dict(), path)
        packed(path, "u2net.safetensors.gz")
        example = torch.zeros(1, 3, 32, 32)
        torch.onnx.export(network, example, path, dynamo=False)
        packed(path, "u2net.onnx.gz")


def packed(path, name):
    (HERE / name).write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def write_resnets():
    for name, sizes, is_bottleneck in (
        ("basic", (2, 1, 1), False),
        ("bottleneck", (2, 1), True),
    ):
        network = randomised(ResNet(sizes, is_bottleneck, 4, 5), seed=1)
        torch.save(network.state_dict(), HERE / f"resnet_{name}.pth")
        drawings = drawn(2, 45, 64, seed=2)
        np.savez_compressed(
            HERE / f"resnet_{name}.npz",
            images=drawings,
            logits=outputs(network, drawings),
        )


@torch.no_grad()
def write_vgg():
    """The maps before the first four poolings, of which the last three are kept."""
    state, maps = vgg_weights.state_dict(), []
    images = drawn(1, 16, 16, seed=3)
    x = torch.from_numpy(images.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    for place in vgg_weights.PLACES:
        kernel, bias = (
            state[f"features.{place}.{leaf}"] for leaf in ("weight", "bias")
        )
        if f"features.{place - 2}.weight" not in state and place:  # a pooling between
            maps.append(x)
            x = F.max_pool2d(x, 2, 2)
        kernel, bias = torch.from_numpy(kernel), torch.from_numpy(bias)
        x = F.relu(F.conv2d(x, kernel, bias, padding=1))
    maps = [x.permute(0, 2, 3, 1).numpy() for x in (*maps, x)]
    last = {f"map_{i}": x for i, x in enumerate(maps) if i}
    np.savez_compressed(HERE / "vgg.npz", images=images, **last)


def count(network):
    return sum(p.numel() for p in network.parameters())


if __name__ == "__main__":
    write_u2net()
    write_resnets()
    write_vgg()
    for network in (U2Net(FULL), U2Net(SMALL)):
        print(f"U2-Net: {count(network):,} parameters")
    for sizes, is_bottleneck in (((2, 2, 2, 2), False), ((3, 4, 6, 3), True)):
        network = ResNet(sizes, is_bottleneck, 64, 1000)
        print(f"ResNet: {count(network):,} parameters")
    sizes = {path.name: path.stat().st_size for path in HERE.glob("*.*")}
    print(sizes, file=sys.stderr)
