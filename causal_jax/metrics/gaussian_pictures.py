"""Pictures of a Gaussian law: what a generator that learned no objects would draw.

Mean and principal components of all training pictures' pixels (Hotelling 1933), without
classes. A distance as Frechet's says little by itself; a generator has to be nearer to
real pictures than these are, on the same features and as many pictures.
"""

import jax
import numpy as np
from sklearn.decomposition import PCA

from causal_jax.types import Key


def gaussian_pictures(
    images: np.ndarray, key: Key, *, num: int, num_components: int
) -> np.ndarray:
    """Draws pictures whose pixels have the training pictures' mean and covariance.

    Args:
      images: uint8 [N, H, W, C], N at least 2.
      key: of the draws.
      num: pictures that are drawn.
      num_components: of the covariance, from the largest; below min(N, H W C). What the
        others hold is left out, so that fewer make smoother pictures.

    Returns:
      uint8 [num, H, W, C], rounded and cut to 0 .. 255.

    Raises:
      ValueError: images of another type or shape, or numbers out of range.

    >>> images = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), np.uint8)
    >>> gaussian_pictures(images, jax.random.key(0), num=2, num_components=5).shape
    (2, 4, 4, 3)
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.dtype != np.uint8 or len(images) < 2:
        raise ValueError(
            f"images of type {images.dtype} and shape {images.shape}: give uint8 "
            "[N, H, W, C] with N at least 2"
        )
    flat = images.reshape(len(images), -1).astype(np.float32)
    if num < 1 or not 1 <= num_components < min(flat.shape):
        raise ValueError(
            f"num={num} and num_components={num_components}: at least 1, and "
            f"components below {min(flat.shape)}, of pictures and of pixels"
        )
    # The solver's own draws, for many pixels, are the same for all keys.
    fitted = PCA(num_components, random_state=0).fit(flat)
    noise = np.asarray(jax.random.normal(key, (num, num_components)))
    drawn = (noise * np.sqrt(fitted.explained_variance_)) @ fitted.components_
    drawn = np.rint(fitted.mean_ + drawn).clip(0, 255)
    return drawn.astype(np.uint8).reshape(num, *images.shape[1:])
