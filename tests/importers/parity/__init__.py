"""Networks of PyTorch with random weights, and their outputs; `write.py` made them."""

import gzip
import io
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
U2NET_CHANNELS = ((2, 4), (2, 6)) + ((2, 4),) * 9  # of `write.py`


def unpacked(name, folder):
    """The path of a file in `folder`, unpacked."""
    path = Path(folder) / name
    path.write_bytes(gzip.decompress((HERE / f"{name}.gz").read_bytes()))
    return path


def arrays(name):
    """What PyTorch was given and gave; pictures as it saw them, [B, H, W, 3]."""
    with np.load(io.BytesIO((HERE / f"{name}.npz").read_bytes())) as found:
        return {
            key: value.astype(np.float32) / 127.5 - 1
            if value.dtype == np.uint8
            else value
            for key, value in found.items()
        }
