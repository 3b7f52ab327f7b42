"""Writes full-size files of the published layouts, with random weights.

    python tests/importers/parity/stand_ins.py DIR

needs torch, pytorch-pretrained-biggan, safetensors and onnx (none of them
a requirement of the library) and 2 GB: what a user of the published weights has is
tried with them, the commands of docs/natural_images.md.
"""

import sys
from pathlib import Path

import torch
import write
from pytorch_pretrained_biggan import BigGAN
from pytorch_pretrained_biggan.convert_tf_to_pytorch import BigGAN256
from torch import nn


def big_gan():
    """Weights whose pictures are neither flat nor saturated."""
    network = BigGAN(BigGAN256)
    for name, value in network.state_dict().items():
        if name.endswith("running_means"):
            value.normal_(0, 0.1)
        elif name.endswith("running_vars"):
            value.uniform_(0.1, 0.5)
        elif name.endswith(("bn.weight", "gamma")):
            value.uniform_(0.4, 0.8)
        elif name.endswith("bias"):
            value.normal_(0, 0.1)
    return network.state_dict()


def vgg16():
    """Named as torchvision's."""
    layers, channels = [], 3
    for features, num in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(num):
            layers += [nn.Conv2d(channels, features, 3, padding=1), nn.ReLU()]
            channels = features
        layers.append(nn.MaxPool2d(2, 2))
    dense = [nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096)]
    dense += [nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000)]
    parts = {"features": nn.Sequential(*layers), "classifier": nn.Sequential(*dense)}
    return nn.ModuleDict(parts).state_dict()


@torch.no_grad()
def main(folder):
    torch.manual_seed(0)
    u2net = write.U2Net(write.FULL).state_dict()
    parts = {"u2net": u2net}
    for name in ("biggan_GT", "f_shape", "f_text", "f_bg"):
        parts[name] = big_gan()
    files = {
        "pytorch_model.bin": parts["biggan_GT"],
        "u2net.pth": u2net,
        "vgg16.pth": vgg16(),
        "resnet50.pth": write.ResNet((3, 4, 6, 3), True, 64, 1000).state_dict(),
        "cgn.pth": {
            f"{part}.{name}": value
            for part, state in parts.items()
            for name, value in state.items()
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, state in files.items():
        torch.save(state, folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
