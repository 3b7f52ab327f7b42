"""Folders in the layouts of published sets: labels by name, other layouts refused."""

import json

import numpy as np
import pytest
from PIL import Image

from causal_jax.data import crops, images, picture_folders


def _picture(path, level=0, shape=(40, 32)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((*shape, 3), level, np.uint8)
    if path.suffix == ".png":
        path.write_bytes(images.encoded_png(image))
    else:
        Image.fromarray(image).save(path, "JPEG")


@pytest.fixture
def conflicts(tmp_path):
    root = tmp_path / "cue-conflict"
    for shape, texture in (("cat", "dog"), ("cat", "cat"), ("dog", "n012")):
        _picture(root / picture_folders.cue_conflict_name(shape, 1, texture, 10))
    _picture(root / "n012/n0127-cat3.png", 90)
    (root / ".DS_Store").write_text("")
    (root / "cat/.hidden.png").write_text("")
    return root


@pytest.fixture
def backgrounds(tmp_path):
    root = tmp_path / "bg_challenge"
    for variant in (*picture_folders.VARIANTS, "only_fg"):
        for i, name in enumerate(("dog", "bird", "wheeled vehicle")):
            for number in range(i + 1):
                path = root / variant / "val" / f"{i:02}_{name}" / f"fg_{number}.JPEG"
                _picture(path, level=10 * i)
    return root


@pytest.fixture
def folders(tmp_path):
    root = tmp_path / "classes"
    for name, files in (("ant", "b.png a.jpg"), ("bee", "deeper/c.JPEG")):
        for file in files.split():
            _picture(root / name / file)
        (root / name / "notes.txt").write_text("no picture")
    return root


def _refusal(call):
    with pytest.raises(ValueError) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_folder_per_class(folders):
    found = picture_folders.class_folders(folders)
    assert [p.name for p in found.paths] == ["a.jpg", "b.png", "c.JPEG"]
    assert found.names == ("ant", "bee")
    np.testing.assert_array_equal(found.labels, [0, 0, 1])
    ordered = picture_folders.class_folders(folders, names=["bee", "wasp", "ant"])
    np.testing.assert_array_equal(ordered.labels, [2, 2, 0])


def test_a_cue_conflict_tells_shape_and_texture(conflicts):
    found = picture_folders.cue_conflict(conflicts)
    assert found.names == ("cat", "dog", "n012")
    pairs = {
        path.name: (found.names[shape], found.names[texture])
        for path, shape, texture in zip(
            found.paths, found.shapes, found.textures, strict=True
        )
    }
    assert pairs == {
        "cat1-dog10.png": ("cat", "dog"),
        "cat1-cat10.png": ("cat", "cat"),
        "dog1-n01210.png": ("dog", "n012"),
        "n0127-cat3.png": ("n012", "cat"),
    }


def test_classes_have_the_labels_that_a_classifier_gives_them(conflicts):
    names = ["dog", "fish", "cat", "n012"]
    found = picture_folders.cue_conflict(conflicts, names=names)
    assert {names[i] for i in found.shapes} == {"cat", "dog", "n012"}
    assert names[found.textures[found.paths.index(conflicts / "cat/cat1-dog10.png")]]
    assert found.names == tuple(names)


def test_variants_of_backgrounds_have_the_classes_of_their_numbers(backgrounds):
    found = picture_folders.background_sets(backgrounds)
    assert tuple(found) == picture_folders.VARIANTS
    for variant, one in found.items():
        assert one.names == ("dog", "bird", "wheeled vehicle")
        np.testing.assert_array_equal(one.labels, [0, 1, 1, 2, 2, 2])
        assert all(path.parts[-4] == variant for path in one.paths)
    assert list(picture_folders.background_sets(backgrounds, ["only_fg"]))


def test_pictures_are_read_in_order_by_the_crops_of_evaluation(tmp_path):
    random = np.random.default_rng(0)
    whole = random.integers(0, 256, (5, 30, 20, 3), np.uint8)
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path, image in zip(paths, whole, strict=True):
        path.write_bytes(images.encoded_png(image))
    found = list(picture_folders.read_batches(paths, size=8, batch_size=2))
    assert [len(batch) for batch in found] == [2, 2, 1]
    wanted = [crops.fixed(Image.fromarray(image), "centre", 8) for image in whole]
    np.testing.assert_array_equal(np.concatenate(found), wanted)


def test_a_map_of_classes_is_read(tmp_path):
    path = tmp_path / "in_to_in9.json"
    path.write_text(json.dumps({"0": 1, "1": -1, "2": 0}))
    np.testing.assert_array_equal(picture_folders.read_class_map(path, 3), [1, -1, 0])


# --- what is no such folder -----------------------------------------------------------


@pytest.mark.parametrize("reader", ["class_folders", "cue_conflict", "background_sets"])
def test_no_folder_and_flat_folders_are_refused(reader, tmp_path):
    read = getattr(picture_folders, reader)
    assert "there is no folder" in _refusal(lambda: read(tmp_path / "none"))
    _picture(tmp_path / "flat/a.png")
    said = _refusal(lambda: read(tmp_path / "flat"))
    assert "holds no folder (but 1 files): expected is" in said


def test_a_class_without_pictures_is_refused(folders):
    (folders / "cow").mkdir()
    said = _refusal(lambda: picture_folders.class_folders(folders))
    assert "cow holds no picture" in said


def test_a_class_that_nobody_knows_is_refused(folders):
    read = picture_folders.class_folders
    assert "did you mean 'bees'" in _refusal(
        lambda: read(folders, names=["ant", "bees"])
    )


@pytest.mark.parametrize(
    "name",
    ["cat/cat1.png", "cat/dog1-cat2.png", "cat/cat1-cow2.png", "cat/cat-dog.png"],
)
def test_a_name_that_does_not_tell_shape_and_texture_is_refused(conflicts, name):
    _picture(conflicts / name)
    said = _refusal(lambda: picture_folders.cue_conflict(conflicts))
    assert f"{name} is not named after" in said and "cat1-n0122.png" in said


def test_backgrounds_of_another_layout_are_refused(backgrounds, folders):
    read = picture_folders.background_sets
    assert "has no folder original/val" in _refusal(lambda: read(folders))
    said = _refusal(lambda: read(backgrounds, ["mixed-rand"]))
    assert "did you mean 'mixed_rand'" in said
    _picture(backgrounds / "mixed_rand/val/04_fish/a.JPEG")
    said = _refusal(lambda: read(backgrounds))
    assert "04_fish is not named 03_CLASS" in said
    (backgrounds / "mixed_rand/val/04_fish").rename(
        backgrounds / "mixed_rand/val/03_fish"
    )
    assert "'fish' is in one of them" in _refusal(lambda: read(backgrounds))


def test_a_damaged_picture_is_named(tmp_path, monkeypatch):
    _picture(tmp_path / "a/large.png")
    (tmp_path / "a/broken.png").write_bytes(b"no picture")

    def read(name):
        paths = [tmp_path / "a" / name]
        return _refusal(
            lambda: list(picture_folders.read_batches(paths, size=8, batch_size=1))
        )

    assert "a/broken.png: it is no readable picture" in read("broken.png")
    assert "No such file" in read("none.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 32 - 1)
    assert "a/large.png: it has more than 1,279 pixels" in read("large.png")


@pytest.mark.parametrize("text", ["", "[]", "3", '{"0": 1}', '{"0": "a", "1": 0}', "["])
def test_a_file_that_is_no_map_is_refused(text, tmp_path):
    path = tmp_path / "map.json"
    path.write_text(text)
    assert "map.json" in _refusal(lambda: picture_folders.read_class_map(path, 2))
    missing = tmp_path / "none.json"
    said = _refusal(lambda: picture_folders.read_class_map(missing, 2))
    assert "there is no file" in said
