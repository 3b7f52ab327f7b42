"""Small sets of pictures, real and counterfactual, and folders of published layouts."""

import numpy as np
import pytest

from causal_jax.data import counterfactuals, picture_folders, tfds
from causal_jax.data.counterfactuals import LABELS, Counterfactuals
from causal_jax.data.images import encoded_png
from causal_jax.recipes import registry, settings

NAMES = ("ant", "bee", "cat", "dog", "eel", "fox")
SIZE = 16


def noise(seed, num, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (num, size, size, 3), np.uint8)


def write_real(data_dir, name="real", names=NAMES):
    def examples(seed, num):
        for i, image in enumerate(noise(seed, num)):
            yield i, {"image": encoded_png(image), "label": i % len(names)}

    features = {"image": tfds.picture(SIZE, SIZE, 3)}
    tfds.write_new(
        name,
        {**features, "label": tfds.label(len(names), names)},
        lambda: {"train": examples(0, 12), "validation": examples(1, 7)},
        description="a test",
        data_dir=data_dir,
    )


def write_counterfactuals(data_dir, name="cfs", names=NAMES, size=SIZE, num=20):
    random = np.random.default_rng(2)
    labels = {label: random.integers(0, len(names), num) for label in LABELS}
    block = Counterfactuals(noise(3, num, size), labels)
    counterfactuals.write(
        name,
        iter([block]),
        description="a test",
        size=size,
        class_names=names,
        data_dir=data_dir,
    )


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    """The folder of the set `real` and its counterfactuals `cfs`."""
    data_dir = tmp_path_factory.mktemp("sets")
    write_real(data_dir)
    write_counterfactuals(data_dir)
    return data_dir


@pytest.fixture(scope="session")
def names():
    """The classes of all sets."""
    return NAMES


@pytest.fixture(scope="session")
def write_set(sets):
    """write_set(name, **changes): another set of counterfactuals beside `cfs`."""
    return lambda name, **changes: write_counterfactuals(sets, name, num=2, **changes)


@pytest.fixture(scope="session")
def quick(sets):
    """quick(variant, **changes): a config of two steps on these sets."""

    def build(variant="", **changes):
        config = settings.plain(
            registry.get_config(f"imagenet_ensemble:{variant},quicktest")
        )
        own = {"dataset": "real", "data_dir": str(sets)}
        own["counterfactuals"] = "" if config.plain else "cfs"
        return settings.with_keys(config, **own | {"held_out": 20} | changes)

    return build


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded_png(image))


@pytest.fixture(scope="session")
def conflicts(tmp_path_factory):
    """A folder of three pictures in conflict and one that is in none."""
    root = tmp_path_factory.mktemp("cue_conflict")
    pairs = (("ant", "bee"), ("bee", "ant"), ("cat", "fox"), ("cat", "cat"))
    for (shape, texture), image in zip(pairs, noise(4, 4), strict=True):
        save(root / picture_folders.cue_conflict_name(shape, 1, texture, 2), image)
    return root


@pytest.fixture(scope="session")
def backgrounds(tmp_path_factory):
    """A folder of the three sets, two classes of one picture each."""
    root = tmp_path_factory.mktemp("backgrounds")
    for variant in picture_folders.VARIANTS:
        for i, name in enumerate(("dog", "bee")):
            save(root / variant / "val" / f"{i:02}_{name}" / "a.png", noise(i, 1)[0])
    return root
