"""Streams: every record once an epoch, whoever reads; resumed to the record."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import tensorflow_datasets

from causal_jax.data import labelled_pictures, streams, tfds
from causal_jax.data.device_batches import OnDevice
from causal_jax.data.images import encoded_png

NUM, BATCH, SIZE = 26, 4, 8
ROOT = Path(__file__).resolve().parents[2]
REAL = Path(os.environ.get("TFDS_DATA_DIR", ROOT.parent / "shared/tfds"))


def _write(data_dir, name, examples, *, side=None, **features):
    shape = (side, side, 3)
    picture = tensorflow_datasets.features.Image(shape=shape, encoding_format="png")
    tfds.write_new(
        name,
        {"image": picture, **features},
        lambda: {"train": iter(list(enumerate(examples)))},
        description="a test",
        data_dir=data_dir,
    )


def _noise(i, height, width):
    """Red tells the record; the rest is noise."""
    image = np.random.default_rng(i).integers(0, 256, (height, width, 3), np.uint8)
    image[..., 0] = 9 * i
    return image


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """`varied` has pictures of many sizes, `equal` of one; label = record mod 3."""
    root = tmp_path_factory.mktemp("tfds")
    for name, side in (("varied", None), ("equal", 16)):
        shapes = [(side, side) if side else (12 + i, 20) for i in range(NUM)]
        examples = [
            {
                "image": encoded_png(_noise(i, *shapes[i])),
                "label": i % 3,
                "file_name": f"picture_{i}.png",
            }
            for i in range(NUM)
        ]
        label = tfds.label(3, names=["n01440764 tench, Tinca", "n01443537", "cat"])
        text = tensorflow_datasets.features.Text()
        _write(root, name, examples, side=side, label=label, file_name=text)
    return root


@pytest.fixture
def open_stream(data_dir):
    def opened(name="varied", split="train", **settings):
        chosen = {"size": SIZE, "batch_size": BATCH, "crop": "random", **settings}
        return streams.open_stream(
            name, split, **{"data_dir": data_dir, "progress": False, **chosen}
        )

    return opened


def read(stream, num, first_step=0):
    """The first batches; their workers are ended."""
    with stream.batches(first_step) as batches:
        return [next(batches) for _ in range(num)]


def records_of(batches):
    """Which records they are, by the red of their pictures."""
    red = np.concatenate([batch["image"][..., 0].mean((1, 2)) for batch in batches])
    return np.round(red / 9).astype(int)


def assert_same(found, wanted):
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_batches_are_bytes_and_labels(open_stream):
    (batch,) = read(open_stream(), 1)
    assert batch["image"].shape == (BATCH, SIZE, SIZE, 3)
    assert batch["image"].dtype == np.uint8 and batch["label"].dtype == np.int32
    np.testing.assert_array_equal(batch["label"], records_of([batch]) % 3)


def test_each_epoch_has_every_record_once_in_an_order_of_its_own(open_stream):
    order = records_of(read(open_stream(batch_size=NUM // 2), 6)).reshape(3, NUM)
    np.testing.assert_array_equal(np.sort(order), np.tile(np.arange(NUM), (3, 1)))
    assert len(np.unique(order, axis=0)) == 3
    assert (order[0] != np.arange(NUM)).any()


def test_batches_go_on_over_the_end_of_an_epoch(open_stream):
    found = records_of(read(open_stream(batch_size=5), 2 * NUM // 5 + 1))
    np.testing.assert_array_equal(np.sort(found[:NUM]), np.arange(NUM))
    np.testing.assert_array_equal(np.sort(found[NUM : 2 * NUM]), np.arange(NUM))


def test_orders_of_neighbouring_seeds_and_epochs_are_unrelated(open_stream):
    settings = {"batch_size": NUM, "crop": "square"}
    first = records_of(read(open_stream(seed=0, **settings), 4)).reshape(4, NUM)
    second = records_of(read(open_stream(seed=1, **settings), 4)).reshape(4, NUM)
    assert len(np.unique(np.concatenate([first, second]), axis=0)) == 8


def test_the_seed_and_the_step_tell_a_batch(open_stream):
    assert_same(read(open_stream(), 3, first_step=5), read(open_stream(), 8)[5:])
    other = read(open_stream(seed=1), 1)[0]["image"]
    assert (other != read(open_stream(), 1)[0]["image"]).any()


def test_a_record_is_cropped_anew_each_epoch_whatever_its_place(open_stream):
    """Crops of a record: of one epoch the same in any order, of two epochs not."""

    def by_record(stream):
        found = read(stream, 2)
        return [b["image"][np.argsort(records_of([b]))] for b in found]

    shuffled = by_record(open_stream(batch_size=NUM))
    ordered = by_record(open_stream(batch_size=NUM, shuffle=False))
    np.testing.assert_array_equal(shuffled[0], ordered[0])
    np.testing.assert_array_equal(shuffled[1], ordered[1])
    assert (shuffled[0] != shuffled[1]).reshape(NUM, -1).any(1).all()


@pytest.mark.parametrize("num_hosts", [2, 3])
def test_hosts_share_what_one_host_reads(open_stream, num_hosts):
    whole = read(open_stream(batch_size=6), 9)
    parts = [
        read(open_stream(batch_size=6, process_id=h, num_processes=num_hosts), 9)
        for h in range(num_hosts)
    ]
    joined = [
        {k: np.concatenate([b[k] for b in step]) for k in step[0]}
        for step in zip(*parts, strict=True)
    ]
    assert_same(joined, whole)


def test_two_hosts_read_disjoint_halves_of_an_epoch(open_stream):
    halves = [
        records_of(read(open_stream(batch_size=2, process_id=h, num_processes=2), NUM))
        for h in range(2)
    ]
    for epoch in range(2):
        part = slice(epoch * NUM // 2, (epoch + 1) * NUM // 2)
        first, second = (set(half[part].tolist()) for half in halves)
        assert len(first) == len(second) == NUM // 2 and not first & second


def test_one_pass_has_every_record_once_in_order(open_stream):
    found = list(open_stream(crop="centre", batch_size=5).once())
    np.testing.assert_array_equal(records_of(found), np.arange(NUM))
    assert [len(b["label"]) for b in found] == [5] * 5 + [1]
    hosts = [
        records_of(
            open_stream(
                batch_size=4, process_id=h, num_processes=2, crop="square"
            ).once()
        )
        for h in range(2)
    ]
    np.testing.assert_array_equal(np.sort(np.concatenate(hosts)), np.arange(NUM))


# --- stopped and resumed, by other workers --------------------------------------------


def test_a_resumed_stream_goes_on_to_the_byte(open_stream):
    wanted = read(open_stream(), 8)
    with open_stream().batches() as batches:
        before = [next(batches) for _ in range(3)]
        state = json.loads(json.dumps(batches.state()))
    with open_stream().resume(state) as batches:
        assert_same(before + [next(batches) for _ in range(5)], wanted)


def test_a_state_is_of_a_record_not_of_a_batch(open_stream):
    with open_stream(batch_size=6).batches() as batches:
        next(batches)
        state = batches.state()
    with open_stream(batch_size=3).resume(state) as batches:
        found = [next(batches) for _ in range(2)]
    assert_same(found, read(open_stream(batch_size=3), 4)[2:])


@pytest.mark.slow
def test_workers_change_nothing(open_stream):
    wanted = read(open_stream(), 9)
    with open_stream(num_workers=2).batches() as batches:
        found = [next(batches) for _ in range(4)]
        state = batches.state()
    assert state["next_record"] == 4 * BATCH  # what workers have ready is not read
    with open_stream(num_workers=1).resume(state) as batches:
        found += [next(batches) for _ in range(5)]
    assert_same(found, wanted)


KILLED = """
import json, sys, time
from causal_jax.data import streams

if __name__ == "__main__":
    stream = streams.open_stream(
        "varied", "train", size=8, batch_size=4, crop="random", num_workers=2,
        data_dir=sys.argv[1],
    )
    batches = stream.batches()
    for _ in range(3):
        next(batches)
    print(json.dumps(batches.state()), flush=True)
    next(batches)
    time.sleep(600)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_no_worker_and_is_resumed(
    open_stream, data_dir, tmp_path
):
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    process = subprocess.Popen(
        [sys.executable, program, str(data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    state = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.stdout.read()  # ends when the workers, who hold it too, have ended
    process.wait()
    with open_stream().resume(state) as batches:
        assert_same([next(batches)], read(open_stream(), 4)[3:])


def test_a_state_of_another_stream_is_refused(open_stream):
    state = open_stream().batches().state()
    for settings, said in (({"seed": 1}, "seed=0"), ({"size": 9}, "size=8")):
        with pytest.raises(ValueError, match=said):
            open_stream(**settings).resume(state)
    with pytest.raises(ValueError, match="name=None"):
        open_stream().resume({})
    with pytest.raises(ValueError, match="next_record=-1"):
        open_stream().resume({**state, "next_record": -1})


# --- in memory or streamed, on the device ---------------------------------------------


@pytest.mark.parametrize(
    ("name", "crop", "kept"),
    [
        ("equal", "random", (NUM, 16, 16, 3)),
        ("equal", "square", (NUM, SIZE, SIZE, 3)),
        ("varied", "centre", (NUM, SIZE, SIZE, 3)),
    ],
)
def test_what_fits_is_kept_and_read_alike(open_stream, name, crop, kept):
    resident = open_stream(name, crop=crop, num_workers=2)
    streamed = open_stream(name, crop=crop, resident_bytes=0)
    assert resident.num_workers == 0 and streamed.arrays is None
    assert resident.arrays["image"].shape == kept
    np.testing.assert_array_equal(resident.arrays["label"], np.arange(NUM) % 3)
    assert_same(read(resident, 8), read(streamed, 8))


def test_what_is_kept_is_decided_by_its_bytes(open_stream):
    num_bytes = NUM * SIZE * SIZE * 3
    kept = open_stream(crop="square", resident_bytes=num_bytes)
    assert kept.arrays["image"].nbytes == num_bytes
    assert open_stream(crop="square", resident_bytes=num_bytes - 1).arrays is None
    assert open_stream(crop="random").arrays is None  # pictures of many sizes


def test_pictures_are_floats_on_the_device(open_stream):
    wanted = read(open_stream(), 4)
    device = jax.devices()[0]
    with OnDevice(open_stream().batches(), device) as batches:
        assert batches.state()["next_record"] == 0
        for i, one in enumerate(wanted, 1):
            found = next(batches)
            assert batches.state()["next_record"] == i * BATCH  # not those ahead
            assert found["image"].devices() == {device}
            assert found["image"].dtype == np.float32
            floats = one["image"].astype(np.float32) / 127.5 - 1
            np.testing.assert_allclose(found["image"], floats, atol=1e-6)
            np.testing.assert_array_equal(found["label"], one["label"])
    one_pass = list(OnDevice(open_stream(crop="square").once()))
    assert sum(len(batch["label"]) for batch in one_pass) == NUM


def test_classes_have_names_and_words(data_dir):
    found = labelled_pictures.classes("varied", data_dir=data_dir)
    assert found.names == ("n01440764", "n01443537", "cat")
    assert found.words == ("tench, Tinca", "n01443537", "cat")


LIGHT = """
import sys
from jax._src import xla_bridge
from causal_jax.data import streams

assert "grain" not in sys.modules
settings = {"size": 8, "batch_size": 4, "crop": "random", "data_dir": sys.argv[1]}
next(streams.open_stream("varied", "train", **settings).batches())
assert "grain" in sys.modules and "tensorflow" not in sys.modules
assert not xla_bridge.backends_are_initialized()
"""


@pytest.mark.slow
def test_what_a_worker_does_takes_no_device_and_grain_waits_for_the_first_batch(
    data_dir,
):
    command = [sys.executable, "-c", LIGHT, str(data_dir)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=environment, check=True)


# --- what cannot be -------------------------------------------------------------------


def _refusal(call):
    with pytest.raises(ValueError) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_set_without_labels_or_pictures_says_what_it_has(open_stream, tmp_path):
    picture = encoded_png(np.zeros((4, 4, 3), np.uint8))
    _write(tmp_path, "plain", [{"image": picture}], side=4)
    shape = {"shape_label": tfds.label(2)}
    _write(tmp_path, "parts", [{"image": picture, "shape_label": 1}], side=4, **shape)
    tfds.write_new(
        "labels",
        {"label": tfds.label(2)},
        lambda: {"train": iter([(0, {"label": 1})])},
        description="",
        data_dir=tmp_path,
    )
    said = _refusal(lambda: open_stream("plain", data_dir=tmp_path))
    assert "no class 'label', its features are image:" in said
    said = _refusal(lambda: open_stream("parts", data_dir=tmp_path))
    assert "its features are image, shape_label" in said
    said = _refusal(lambda: open_stream("labels", data_dir=tmp_path))
    assert "no picture 'image'" in said


def test_absent_sets_and_splits_say_what_to_do(open_stream, tmp_path):
    said = _refusal(lambda: open_stream("imagenet2012", data_dir=tmp_path))
    assert "causal-jax prepare --dataset=imagenet2012 --data_dir=" in said
    assert "there are train" in _refusal(lambda: open_stream(split="validation"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"crop": "centr"}, "did you mean 'centre'"),
        ({"size": 0}, "size=0"),
        ({"batch_size": 5, "num_processes": 2}, "use 6"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"process_id": 1}, "process_id=1"),
        ({"min_area": 0.0}, "min_area=0.0"),
        ({"seed": -1}, "seed=-1"),
        ({"num_workers": -1}, "num_workers=-1"),
    ],
)
def test_settings_that_cannot_be(open_stream, settings, said):
    assert said in _refusal(lambda: open_stream(**settings))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_damaged_picture_is_named(open_stream, tmp_path, num_workers):
    whole = encoded_png(_noise(1, 40, 40))
    examples = [
        {"image": data, "label": 0, "file_name": f"{i}.png"}
        for i, data in enumerate([whole, whole[:-200], whole])
    ]
    text = tensorflow_datasets.features.Text()
    _write(tmp_path, "cut", examples, label=tfds.label(1), file_name=text)
    stream = open_stream("cut", data_dir=tmp_path, num_workers=num_workers)
    said = _refusal(lambda: read(stream, 1))
    assert said.startswith("record 1 (1.png) of cut, split train: it is no readable")


@pytest.mark.slow
def test_a_killed_worker_is_one_line(open_stream):
    before = set(multiprocessing.active_children())

    def read_on():
        with open_stream(num_workers=1).batches() as batches:
            next(batches)
            (worker,) = set(multiprocessing.active_children()) - before
            worker.kill()
            for _ in range(20):  # some batches were ready
                next(batches)

    assert "was killed" in _refusal(read_on)


def test_a_decompression_bomb_is_named(open_stream, monkeypatch):
    monkeypatch.setattr("causal_jax.data.images.MAX_PIXELS", 12 * 20 + 5)
    stream = open_stream(shuffle=False)
    assert "record 1 (picture_1.png)" in _refusal(lambda: read(stream, 1))


def test_labels_out_of_range_are_refused(open_stream, tmp_path):
    unlabelled = {"image": encoded_png(_noise(1, 9, 9)), "label": -1}
    _write(tmp_path, "secret", [unlabelled], label=tfds.label(2))
    stream = open_stream("secret", data_dir=tmp_path)
    assert "its label is -1, classes are 0 to 1" in _refusal(lambda: read(stream, 1))


def test_a_damaged_file_is_named(open_stream, data_dir, tmp_path):
    shutil.copytree(data_dir / "varied", tmp_path / "varied")
    (shard,) = (tmp_path / "varied/1.0.0").glob("*array_record*")
    content = bytearray(shard.read_bytes())
    pixels = content.find(b"IDAT")
    content[pixels : pixels + 100] = bytes(100)
    shard.write_bytes(content)

    def read_all():
        read(open_stream(data_dir=tmp_path), 2 * NUM)

    assert "of varied, split train: it is damaged" in _refusal(read_all)


# --- the sets themselves --------------------------------------------------------------


@pytest.mark.skipif(not (REAL / "imagenet2012").is_dir(), reason="no such data here")
def test_the_real_sets_are_streamed():
    stream = streams.open_stream(
        "imagenet2012", "validation", size=64, batch_size=50, crop="random",
        data_dir=REAL, resident_bytes=0,
    )  # fmt: skip
    labels = np.concatenate([b["label"] for b in read(stream, 4)])
    assert stream.num_records == 200 == len(np.unique(labels))  # one per class
    names = labelled_pictures.classes("imagenet2012", data_dir=REAL).names
    assert len(names) == 1000 and all(n.startswith("n0") or n[0] == "n" for n in names)
    tiny = streams.open_stream(
        "tiny_imagenet_20", "validation", size=64, batch_size=100, data_dir=REAL,
        progress=False,
    )  # fmt: skip
    counts = np.bincount(np.concatenate([b["label"] for b in tiny.once()]))
    np.testing.assert_array_equal(counts, np.full(20, 50))
    assert tiny.arrays["image"].shape == (1000, 64, 64, 3)
