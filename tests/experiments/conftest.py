"""A quick run shared by the tests of the entry points, and tiny prepared CelebA."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from causal_jax.data import celeba
from experiments import evaluate, evaluation, prepare, stages
from experiments.configs import faces_causal_gan

NUM_PICTURES = 12


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a trained and evaluated `faces_causal_gan:quicktest`."""
    workdir = tmp_path_factory.mktemp("runs") / "faces"
    stages.train(faces_causal_gan.get_config("quicktest"), workdir)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "NUM_PER_STATE", 16)
        patch.setattr(evaluation, "NUM_FRECHET", 32)
        patch.setattr(evaluation, "NUM_NEIGHBOURS", 8)
        evaluate.evaluate(workdir)
    return workdir


@pytest.fixture(scope="session")
def celeba_dir(tmp_path_factory):
    """A tfds folder with `celeb_a`: twelve pictures of one grey, random attributes."""
    folder = tmp_path_factory.mktemp("manual")
    files = [f"{i:06}.jpg" for i in range(1, NUM_PICTURES + 1)]
    random = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for i, file in enumerate(files):
            encoded = io.BytesIO()
            picture = np.full((218, 178, 3), 20 * i, np.uint8)
            Image.fromarray(picture).save(encoded, "JPEG")
            archive.writestr(f"img_align_celeba/{file}", encoded.getvalue())
    values = random.choice(["-1", "1"], (NUM_PICTURES, 40))
    values[0], values[1] = "1", "-1"  # both states of every attribute occur
    lines = [f"{f} {' '.join(v)}" for f, v in zip(files, values, strict=True)]
    header = [str(NUM_PICTURES), " ".join(celeba.ATTRIBUTES)]
    (folder / "list_attr_celeba.txt").write_text("\n".join([*header, *lines]) + "\n")
    splits = [0] * 6 + [1] * 5 + [2]
    partition = [f"{f} {s}" for f, s in zip(files, splits, strict=True)]
    (folder / "list_eval_partition.txt").write_text("\n".join(partition) + "\n")
    data_dir = tmp_path_factory.mktemp("tfds")
    prepare.prepare("celeb_a", data_dir=str(data_dir), manual_dir=str(folder))
    return data_dir
