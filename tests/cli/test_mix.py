"""`causal-jax mix`: sets of two kinds, a receipt, and mistakes in one line."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.cli import mix
from causal_jax.cli.command_line import one_line_errors
from causal_jax.data import images, picture_folders, tfds
from causal_jax.importers import imported, u2net
from causal_jax.networks.u2net import U2Net

NAMES, SIZE, EACH = ("goat", "cat", "bee"), 32, 4
CHANNELS = ((1, 1),) * 11


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Red squares, of which green and blue tell the class; the last of each has none.

    In `redless` the last class has none at all, and `alone` has no class.
    """
    root = tmp_path_factory.mktemp("tfds")
    shown = [_picture(label, i) for label in range(3) for i in range(EACH)]
    labels = np.repeat(np.arange(3), EACH)
    _write(root, "squares", shown, labels)
    _write(root, "redless", [*shown[:-EACH], *[shown[-1]] * EACH], labels)
    _write(root, "alone", shown, None)
    return root


def _picture(label, number):
    image = np.full((SIZE, SIZE, 3), 10 * number, np.uint8)
    if number < EACH - 1:
        image[8:24, 8:24] = [255, *((0, 0), (200, 0), (0, 200))[label]]
    return image


def _write(root, name, pictures, labels):
    features = {"image": tfds.picture(SIZE, SIZE, 3)}
    examples = [{"image": images.encoded_png(picture)} for picture in pictures]
    if labels is not None:
        features["label"] = tfds.label(3, names=NAMES)
        for example, label in zip(examples, labels, strict=True):
            example["label"] = label
    tfds.write_new(
        name,
        features,
        lambda: {"validation": iter(list(enumerate(examples)))},
        description="a test",
        data_dir=root,
    )


@pytest.fixture(scope="module")
def masker(tmp_path_factory):
    """A folder with a network that goes by U2-NetP's name and sees red.

    It hands red through its first and last stage, and nothing else through the others.
    """
    network = U2Net(CHANNELS, folded=True)
    shapes = jax.eval_shape(
        network.init, jax.random.key(0), jnp.zeros((1, SIZE, SIZE, 3))
    )
    params = jax.tree.map(lambda x: np.zeros(x.shape, np.float32), shapes)["params"]
    params["stage1"]["rebnconvin"]["conv"]["kernel"][1, 1, 0, 0] = 1
    params["stage1d"]["rebnconvin"]["conv"]["kernel"][1, 1, 1, 0] = 1
    params["side1"]["kernel"][1, 1, 0, 0] = 1
    params["outconv"]["kernel"][0, 0, 0, 0] = 20
    params["outconv"]["bias"][:] = -20
    folder = tmp_path_factory.mktemp("masker")
    imported.save(folder, {"params": params}, name="u2netp", source=__file__)
    return folder


@pytest.fixture
def mixing(data_dir, masker, flags_of, tmp_path, monkeypatch):
    """mixing(**flags): runs the command; returns the folder that it was to write."""
    monkeypatch.setitem(u2net.CHANNELS, "u2netp", CHANNELS)

    def run(**values):
        given = {"data": "squares", "masker": str(masker), "data_dir": str(data_dir)}
        given |= {"out": str(tmp_path / "made" / "sets"), "num": 4, "size": SIZE}
        given |= {"masker_size": SIZE, **values}
        mix.main(flags_of(mix, **given))
        return tmp_path / "made" / "sets"

    return run


def test_both_sets_are_written_in_the_published_layouts(mixing, masker, capsys):
    out = mixing()
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["class", "usable", "empty", "full", "unsure"]
    assert [line.split() for line in said[1:4]] == [
        [name, "3", "1", "0", "0"] for name in NAMES
    ]
    assert said[-1] == f"wrote 12 cue conflicts and 9 objects before three to {out}"
    conflicts = picture_folders.cue_conflict(out / "cue_conflict", names=NAMES)
    np.testing.assert_array_equal(np.bincount(conflicts.shapes), [4, 4, 4])
    for path, texture in zip(conflicts.paths, conflicts.textures, strict=True):
        shown = images.decode(path.read_bytes(), size=SIZE)
        expected = _picture(texture, 0)[16, 16]
        np.testing.assert_array_equal(shown[16, 16], expected)
        assert (shown[0, 0] == 128).all()
    sets = picture_folders.background_sets(out / "backgrounds")
    assert {len(found.paths) for found in sets.values()} == {9}
    assert {path.name for path in out.parent.iterdir()} == {"sets"}


@pytest.fixture
def sees_red(monkeypatch):
    """What the network sees, without compiling it."""

    def masks(network, variables, images, *, size):
        return (images[..., :1] > 0.9).astype(jnp.float32)

    monkeypatch.setattr(mix.u2net, "masks", masks)


def test_the_receipt_says_how_and_of_which_records(mixing, masker, sees_red):
    out = mixing(kinds="backgrounds", num=2)
    receipt = json.loads((out / "receipt.json").read_text())
    about = imported.about(masker)
    assert receipt["masker"] == {
        "name": "u2netp",
        "sha256": about["weights"]["sha256"],
    }
    assert receipt["data"] == "squares" and receipt["split"] == "validation"
    assert receipt["settings"]["seed"] == 0 and receipt["settings"]["num"] == 2
    assert receipt["settings"]["max_area"] == 0.75 and receipt["num_records"] == 12
    assert receipt["pictures"]["goat"]["usable"] == 2
    records = receipt["records"]["backgrounds"]
    numbers = [[i // EACH for i in row] for row in records]
    assert len(records) == 6 and all(a == b != c for a, b, c in numbers)
    names = {path.stem for path in out.rglob("original/val/*/*.png")}
    assert names == {str(row[0]) for row in records}
    assert not (out / "cue_conflict").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": "alone"}, "mix: data set 'alone' has no class 'label'"),
        ({"data": "circles"}, "mix: .*circles"),
        ({"split": "test"}, "mix: .*no split 'test'"),
        ({"masker": "nowhere"}, "mix: nowhere/import.json is missing"),
        ({"masker_size": 8}, "mix: --masker_size=8: it is at least 32"),
        ({"num": 0}, "mix: --num=0: it is at least 1"),
        ({"seed": -1}, "mix: --seed=-1: it is at least 0"),
        ({"size": 0}, "mix: size=0 is no number of pixels"),
        ({"shading": 1.5}, "mix: shading=1.5: it is 0"),
        ({"background": "gray"}, "mix: --background=gray: did you mean 'grey'"),
        ({"kinds": "backgrounds,cue"}, "mix: --kinds: there is no set 'cue': "),
        ({"min_area": 0.9}, "mix: min_area=0.9 and max_area=0.75: they are shares"),
        ({"data": "redless"}, "mix: class 'bee' has no picture with a usable mask"),
        ({"num": 30}, "mix: num=30 asks for 15 pairs of .*, there are 9"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    mixing, sees_red, tmp_path, values, message
):
    with pytest.raises(SystemExit, match=message) as error, one_line_errors("mix"):
        mixing(**values)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.p*"))


def test_a_masker_of_another_network_is_refused(mixing, tmp_path):
    imported.save(tmp_path / "vgg", {"a": np.ones(2)}, name="vgg16", source=__file__)
    with pytest.raises(ValueError, match="holds vgg16, not u2net or u2netp"):
        mixing(masker=str(tmp_path / "vgg"))


def test_a_folder_that_is_there_is_left_as_it_is(mixing, tmp_path):
    there = tmp_path / "made" / "sets"
    there.mkdir(parents=True)
    (there / "mine.txt").write_text("kept")
    with pytest.raises(ValueError, match="is there already: name another folder"):
        mixing()
    assert [path.name for path in there.iterdir()] == ["mine.txt"]
