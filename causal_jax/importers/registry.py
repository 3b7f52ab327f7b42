"""Which weight files can be imported, by name.

An importer is a function `load(path, **settings) -> variables`, in a module that is
imported when it is asked for.
"""

import importlib
import os
from typing import NamedTuple

from causal_jax.graph import suggestion
from causal_jax.types import Params


class Importer(NamedTuple):
    """One kind of weight file.

    Attributes:
      place: of the function, "module:function".
      settings: what it is called with beside the path.
      network: the network that the variables are for, as a reader would write it.
      files: what to give, in a few words.
    """

    place: str
    settings: dict[str, str | int]
    network: str
    files: str


_HERE = "causal_jax.importers"
_U2NET = "the published state dict (.pth, .safetensors) or an export of it (.onnx)"
_TORCHVISION = "torchvision's state dict (.pth, .safetensors)"

IMPORTERS = {
    "u2net": Importer(
        place=f"{_HERE}.u2net:load",
        settings={"size": "u2net"},
        network="networks.u2net.U2Net(u2net.FULL, folded=True)",
        files=_U2NET,
    ),
    "u2netp": Importer(
        place=f"{_HERE}.u2net:load",
        settings={"size": "u2netp"},
        network="networks.u2net.U2Net(u2net.SMALL, folded=True)",
        files=_U2NET,
    ),
    "vgg16": Importer(
        place=f"{_HERE}.vgg:load",
        settings={},
        network="networks.vgg.VGG16Features()",
        files=f"{_TORCHVISION} or an .npz",
    ),
    **{
        name: Importer(
            place=f"{_HERE}.resnet:load",
            settings={"size": name},
            network=f"networks.resnet.{name}()",
            files=_TORCHVISION,
        )
        for name in ("resnet18", "resnet50")
    },
    **{
        f"biggan-deep-{size}": Importer(
            place=f"{_HERE}.biggan:load",
            settings={"size": size},
            network=f"networks.biggan.Generator(size={size})",
            files="Hugging Face's state dict (pytorch_model.bin, .safetensors)",
        )
        for size in (128, 256, 512)
    },
    "cgn-imagenet": Importer(
        place=f"{_HERE}.cgn_imagenet:load",
        settings={},
        network="networks.cgn.imagenet.scm()",
        files="the reference code's checkpoint of five networks (cgn.pth)",
    ),
}


def importer_of(name: str) -> Importer:
    """The importer of a name.

    Raises:
      ValueError: there is none; the nearest is offered.

    >>> importer_of("u2netp").network
    'networks.u2net.U2Net(u2net.SMALL, folded=True)'
    """
    if name not in IMPORTERS:
        raise ValueError(
            f"there is no importer {name!r}: {suggestion(name, IMPORTERS)}"
        )
    return IMPORTERS[name]


def load(name: str, path: str | os.PathLike) -> Params:
    """Reads a weight file: the variables of the network that the name stands for.

    Args:
      name: one of `IMPORTERS`.
      path: the file.

    Raises:
      ValueError: no such importer or file, or a file of something else.
    """
    importer = importer_of(name)
    module, _, function = importer.place.partition(":")
    load_fn = getattr(importlib.import_module(module), function)
    return load_fn(path, **importer.settings)
