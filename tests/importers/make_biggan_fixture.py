"""Makes biggan_small.bin and biggan_small.npz with the published PyTorch port.

    pip install torch scipy pytorch-pretrained-biggan
    python tests/importers/make_biggan_fixture.py

The first is a state dict of a small BigGAN-deep with random weights and statistics, in
the format and with the strides of the published files (which were converted from
TensorFlow's transposed arrays, before PyTorch 1.6). The second holds noise, classes and
the images that the port draws: at two truncations; at the second with the weights of
its two rows set right; and at the first in training.
"""

from pathlib import Path

import numpy as np
import torch
from pytorch_pretrained_biggan import BigGAN, BigGANConfig

HERE = Path(__file__).resolve().parent
LAYERS = [(True, 16, 8), (False, 8, 8), (True, 8, 4), (False, 4, 2), (True, 2, 1)]
# Level 20, and between 23 and 24 (23.65). There the port swaps the two rows' weights,
# so that it takes the right ones when it is told 23.35.
TRUNCATIONS = (0.4, 0.473)
TOLD = 0.467
SETTINGS = {"channel_width": 4, "z_dim": 6, "num_classes": 5, "layers": LAYERS}


def random_model() -> BigGAN:
    """The port's network with weights that make images of some contrast."""
    torch.manual_seed(0)
    model = BigGAN(
        BigGANConfig(
            **SETTINGS, output_dim=32, class_embed_dim=6, attention_layer_position=2
        )
    )
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_means"):
                value.normal_(0, 0.2)
            elif name.endswith("running_vars"):
                value.uniform_(0.1, 0.5)
            elif name.endswith(("bn.weight", "gamma")):
                value.uniform_(0.4, 0.8)
            elif name.endswith("bias"):
                value.normal_(0, 0.2)
    return with_strides(model)


def with_strides(model: BigGAN) -> BigGAN:
    """Matrices and kernels as they lie in memory after TensorFlow's transposes."""
    for parameter in model.parameters():
        axes = tuple(reversed(range(parameter.dim())))
        if parameter.dim() == 4:  # OIHW, laid out as HWIO
            array = parameter.data.permute(2, 3, 1, 0).contiguous()
            parameter.data = array.permute(3, 2, 0, 1)
        elif parameter.dim() == 2:
            parameter.data = parameter.data.permute(axes).contiguous().permute(axes)
    return model


def draw(model: BigGAN, z, classes, truncation: float, told=None) -> np.ndarray:
    """Images [B, H, W, 3], with the statistics of the truncation `told`."""
    one_hot = torch.nn.functional.one_hot(classes, SETTINGS["num_classes"])
    with torch.no_grad():
        images = model(z * truncation, one_hot.float(), told or truncation)
    return images.permute(0, 2, 3, 1).numpy()


def main() -> None:
    """Writes both files."""
    model = random_model().train()
    z, classes = torch.randn(2, SETTINGS["z_dim"]).clamp(-2, 2), torch.tensor([3, 0])
    for _ in range(3):  # power iterations, not to their end
        draw(model, z, classes, 1.0)
    torch.save(
        model.state_dict(),
        HERE / "biggan_small.bin",
        _use_new_zipfile_serialization=False,
    )
    evaluated = [draw(model.eval(), z, classes, t) for t in TRUNCATIONS]
    right = draw(model, z, classes, TRUNCATIONS[1], TOLD)
    trained = draw(model.train(), z, classes, TRUNCATIONS[0])
    np.savez_compressed(
        HERE / "biggan_small.npz",
        z=z.numpy(),
        classes=classes.numpy(),
        truncations=np.array(TRUNCATIONS),
        evaluated=np.stack(evaluated),
        right=right,
        trained=trained,
    )


if __name__ == "__main__":
    main()
