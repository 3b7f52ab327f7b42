"""Random weights of VGG16's convolutions: too many to keep, so they are drawn anew."""

import numpy as np

# Places and features of the convolutions in torchvision's `vgg16().features`, through
# the one before its fourth pooling.
PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)
FEATURES = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512)


def state_dict():
    """{name: array} as torchvision has them."""
    random = np.random.RandomState(0)  # noqa: NPY002 - this stream is frozen (NEP 19)
    found, channels = {}, 3
    for place, features in zip(PLACES, FEATURES, strict=True):
        kernel = random.standard_normal((features, channels, 3, 3))
        kernel *= np.sqrt(2 / (9 * channels))
        found[f"features.{place}.weight"] = kernel.astype(np.float32)
        bias = 0.1 * random.standard_normal(features)
        found[f"features.{place}.bias"] = bias.astype(np.float32)
        channels = features
    return found
