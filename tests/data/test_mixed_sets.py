"""Folders of mixed pictures, read back as the published ones are."""

import numpy as np
import pytest

from causal_jax.data import images, mixed_sets, picture_folders
from causal_jax.data.masked_pictures import MaskedPictures

NAMES, SIZE = ("goat", "cat 2", "bee"), 24


@pytest.fixture(scope="module")
def pictures():
    """Of each class one colour: a square of it, before a ground of half its light."""
    labels = np.repeat(np.arange(3), 4)
    colours = np.array([[240, 0, 0], [0, 240, 0], [0, 0, 240]], np.uint8)[labels]
    masks = np.zeros((12, SIZE, SIZE), np.float32)
    masks[:, 6:18, 6:18] = 1
    grounds = np.broadcast_to(colours[:, None, None] // 2, (12, SIZE, SIZE, 3))
    shown = np.where(masks[..., None] > 0, colours[:, None, None], grounds)
    return MaskedPictures(
        images=shown.astype(np.uint8),
        masks=masks,
        labels=labels,
        records=10 * np.arange(12),
        names=NAMES,
        counts=np.zeros((3, 4), int),
    )


def _read(paths):
    return np.stack([images.decode(path.read_bytes(), size=SIZE) for path in paths])


def test_cue_conflicts_have_the_shape_of_one_and_the_texture_of_another(
    pictures, tmp_path
):
    made = mixed_sets.write_cue_conflicts(
        tmp_path / "made", pictures, num=6, progress=False
    )
    found = picture_folders.cue_conflict(tmp_path / "made", names=NAMES)
    assert len(made) == len(found.paths) == 18
    np.testing.assert_array_equal(np.bincount(found.shapes), [6, 6, 6])
    np.testing.assert_array_equal(np.bincount(found.textures), [6, 6, 6])
    assert (found.shapes != found.textures).all()
    shown = _read(found.paths)
    assert (shown[:, 0, 0] == 128).all()
    np.testing.assert_array_equal(shown[:, 12, 12].argmax(-1), found.textures)
    assert (shown[:, 12, 12].max(-1) == 240).all()
    names = {f"{NAMES[i // 40]}{i}-{NAMES[j // 40]}{j}.png" for i, j in made}
    assert {path.name for path in found.paths} == names


def test_backgrounds_are_of_its_class_and_of_another(pictures, tmp_path):
    made = mixed_sets.write_backgrounds(tmp_path, pictures, num=3, progress=False)
    found = picture_folders.background_sets(tmp_path)
    assert made.shape == (9, 3) and found["original"].names == NAMES
    own = [path.name for path in found["original"].paths]
    by_record = {row[0]: row[1:] for row in made.tolist()}
    for variant, column in (("mixed_same", 0), ("mixed_rand", 1)):
        paths = found[variant].paths
        assert [path.name for path in paths] == own
        shown, labels = _read(paths), found[variant].labels
        # The object is its own, in the colour of its class.
        assert (shown[:, 12, 12].argmax(-1) == labels).all()
        assert (shown[:, 12, 12].max(-1) == 240).all()
        grounds = [by_record[int(path.stem)][column] // 40 for path in paths]
        assert (shown[:, 0, 0].argmax(-1) == grounds).all()
        assert ((np.array(grounds) == labels) == (variant == "mixed_same")).all()
        # Of the other picture's object nothing shows beside this one.
        outside = shown[:, pictures.masks[0] == 0]
        assert outside.max() == 120
    original = _read(found["original"].paths)
    numbers = [int(path.stem) // 10 for path in found["original"].paths]
    np.testing.assert_array_equal(original, pictures.images[numbers])


@pytest.mark.parametrize("background", mixed_sets.BACKGROUNDS)
def test_the_same_seed_writes_the_same_bytes(pictures, tmp_path, background):
    written = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        mixed_sets.write_cue_conflicts(
            tmp_path / folder,
            pictures,
            num=2,
            background=background,
            seed=seed,
            progress=False,
        )
        files = sorted((tmp_path / folder).rglob("*.png"))
        written.append([(path.name, path.read_bytes()) for path in files])
    assert written[0] == written[1] != written[2]


def test_patches_behind_a_conflict_are_of_grounds_not_objects(pictures, tmp_path):
    mixed_sets.write_cue_conflicts(
        tmp_path, pictures, num=2, background="patches", progress=False
    )
    shown = _read(sorted(tmp_path.rglob("*.png")))
    outside = shown[:, pictures.masks[0] == 0]
    assert set(np.unique(outside)) == {0, 120}


@pytest.mark.parametrize(
    ("names", "kinds", "message"),
    [
        (("a/b", "c"), (), "class 'a/b' cannot be the name of a folder"),
        (("..", "c"), (), "cannot be the name"),
        (("", "c"), (), "cannot be the name"),
        (("cat", "cat1"), ("cue_conflict",), "'cat' and 'cat1' cannot be told apart"),
        (("1", "10"), ("cue_conflict",), "'1' and '10' cannot be told apart"),
        ([f"c{i}_" for i in range(101)], ("backgrounds",), "for at most 100"),
    ],
)
def test_classes_that_name_no_folder_are_refused(names, kinds, message):
    with pytest.raises(ValueError, match=message) as error:
        mixed_sets.require_names(names, kinds)
    assert "\n" not in str(error.value)


def test_other_names_are_let_through():
    mixed_sets.require_names(("n014", "n015", "cat", "cat-10b"), mixed_sets.KINDS)
    mixed_sets.require_names(("1", "10"), ("backgrounds",))


def test_settings_out_of_range_are_refused_before_anything_is_written(
    pictures, tmp_path
):
    folder = tmp_path / "none"
    for settings, message in (
        ({"shading": 2}, "shading=2"),
        ({"background": "gray"}, "background='gray': it is grey or patches"),
        ({"num": 33}, "asks for 17 pairs of 'goat' and .*, there are 16"),
    ):
        with pytest.raises(ValueError, match=message):
            mixed_sets.write_cue_conflicts(
                folder, pictures, progress=False, **{"num": 1, **settings}
            )
    with pytest.raises(ValueError, match="leaves enough background"):
        mixed_sets.write_backgrounds(
            folder, pictures, num=1, max_hole=0.1, progress=False
        )
    assert not folder.exists()
