"""Checkpoints of PyTorch: arrays come out, nothing in them is run."""

import pickle
import zipfile

import numpy as np
import pytest

from causal_jax.importers import torch_file


def program(*parts) -> bytes:
    """A pickle of protocol 0 and 2 opcodes, written by hand."""
    return b"\x80\x02" + b"".join(parts) + b"."


def text(value) -> bytes:
    encoded = value.encode()
    return b"X" + len(encoded).to_bytes(4, "little") + encoded


def integers(values) -> bytes:
    """A tuple of them, 4 bytes each."""
    return b"(" + b"".join(b"J" + v.to_bytes(4, "little") for v in values) + b"t"


def storage(key, *, kind="FloatStorage", num=6) -> bytes:
    """The opcodes of a reference to a storage."""
    reference = b"(" + text("storage") + f"ctorch\n{kind}\n".encode()
    reference += text(key) + text("cuda:0") + b"J" + num.to_bytes(4, "little")
    return reference + b"tQ"


def view(of, size, stride, *, offset=0) -> bytes:
    """The opcodes of a tensor as `torch.save` writes them; `of` is its storage."""
    arguments = b"(" + of + b"K" + bytes([offset])
    arguments += integers(size) + integers(stride) + b"\x89}t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def tensor(key, size, stride, *, offset=0, **settings) -> bytes:
    return view(storage(key, **settings), size, stride, offset=offset)


def state(**tensors) -> bytes:
    items = b"".join(text(name) + value for name, value in tensors.items())
    return program(b"ccollections\nOrderedDict\n)R(", items, b"u")


def save(path, content, storages=None):
    if storages is None:
        storages = {"7": np.arange(6, dtype=np.float32)}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        for key, array in storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
    return path


@pytest.mark.parametrize("num", [1_000_000, 2_000_000_000])
def test_a_tensor_is_no_storage_so_that_no_other_memory_is_read(tmp_path, num):
    """A view of one number, `num` times, is no `num` numbers to view again."""
    repeated = view(storage("7"), [num], [0])
    content = state(a=view(repeated, [num], [1]))
    with pytest.raises(ValueError, match="refused: a tensor reaches beyond its storag"):
        torch_file.read(save(tmp_path / "x.pth", content))
    content = state(a=view(tensor("7", (6,), (1,)), [6], [1]))
    with pytest.raises(ValueError, match="refused: a tensor has no storage"):
        torch_file.read(save(tmp_path / "y.pth", content))


def test_tensors_are_views_of_storages(tmp_path):
    content = state(
        a=tensor("7", (2, 3), (3, 1)),
        b=tensor("7", (3, 2), (1, 3)),
        c=tensor("7", (2,), (2,), offset=1),
        d=tensor("8", (), (), kind="LongStorage", num=1),
    )
    storages = {"7": np.arange(6, dtype=np.float32), "8": np.array([5], np.int64)}
    found = torch_file.read(save(tmp_path / "x.pth", content, storages))
    assert list(found) == list("abcd")
    np.testing.assert_array_equal(found["a"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(found["b"], found["a"].T)
    np.testing.assert_array_equal(found["c"], [1, 3])
    assert found["d"] == 5 and found["d"].dtype == np.int64
    found["a"][0, 0] = 9  # memory of its own
    assert found["b"][0, 0] == 0


def test_a_state_dict_may_lie_one_level_down(tmp_path):
    inner = b"ccollections\nOrderedDict\n)R(" + text("w")
    inner += tensor("7", (6,), (1,)) + b"u"
    content = program(b"}(", text("epoch"), b"K\x03", text("state_dict"), inner, b"u")
    assert list(torch_file.read(save(tmp_path / "x.pth", content))) == ["w"]


@pytest.mark.parametrize(
    "name",
    [
        *("os.system", "builtins.eval", "builtins.getattr", "numpy.load"),
        *("torch.load", "torch.nn.Linear", "collections.Counter", "torch._utils.x"),
    ],
)
def test_whatever_is_not_on_the_list_is_refused_and_not_run(tmp_path, name):
    module, _, attribute = name.rpartition(".")
    marker = tmp_path / "run"
    called = f"c{module}\n{attribute}\n".encode() + b"(" + text(f"touch {marker}")
    path = save(tmp_path / "x.pth", program(called, b"tR"))
    with pytest.raises(ValueError, match=f"is refused: it names {name}") as error:
        torch_file.read(path)
    assert "\n" not in str(error.value) and not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (state(a=tensor("7", (9,), (1,))), "refused: a tensor reaches beyond"),
        (state(a=tensor("7", (2,), (9,))), "refused: a tensor reaches beyond"),
        (state(a=tensor("7", (2, 3), (1,))), "damaged .a tensor's size and stride"),
        (state(a=tensor("6", (6,), (1,))), "damaged"),
        (state(a=tensor("7", (9,), (1,), num=9)), "damaged .storage '7' has another"),
        (state(a=tensor("7", (6,), (1,)))[:-9], "damaged"),
        (b"", "damaged"),
        (program(b"K\x01"), "holds no state dict"),
        (state(), "holds no state dict"),
        (program(b"}(", text("a"), b"K\x01u"), "'a', which is no tensor"),
        (program(text("7"), b"Q"), "refused: it refers to what is no storage"),
    ],
)
def test_damaged_files_are_refused_in_one_line(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as error:
        torch_file.read(save(tmp_path / "x.pth", content))
    assert "\n" not in str(error.value)


def test_attributes_are_dropped_or_refused(tmp_path):
    attribute = b"}" + text("_metadata") + b"K\x01sb"
    whole = state(a=tensor("7", (6,), (1,)))[:-1] + attribute + b"."
    found = torch_file.read(save(tmp_path / "x.pth", whole))
    assert list(found) == ["a"] and not hasattr(found, "_metadata")
    shape = tensor("7", (6,), (1,)) + b"N}" + text("shape") + b"K\x09s\x86b"
    with pytest.raises(ValueError, match="refused: it sets attributes"):
        torch_file.read(save(tmp_path / "x.pth", state(a=shape)))


def test_other_ways_of_making_objects_are_refused(tmp_path):
    made = program(b"ccollections\nOrderedDict\n)\x81")  # NEWOBJ
    with pytest.raises(ValueError, match="refused: its pickle uses NEWOBJ"):
        torch_file.read(save(tmp_path / "x.pth", made))


def stream(path, content, *, magic=0x1950A86A20F9469CFC6C, num=6):
    """The format before PyTorch 1.6: pickles, then the storages."""
    pickles = [magic, 1001, {"little_endian": True}]
    head = b"".join(pickle.dumps(item, 2) for item in pickles)
    storage = num.to_bytes(8, "little") + np.arange(6, dtype=np.float32).tobytes()
    path.write_bytes(head + content + pickle.dumps(["7"], 2) + storage)
    return path


def test_the_older_format_is_read(tmp_path):
    content = state(
        a=tensor("7", (2, 3), (3, 1)).replace(b"_v2", b""),
        b=tensor("7", (2,), (1,), offset=4),
    )
    with pytest.raises(ValueError, match="refused: .* before PyTorch 1.6: load it"):
        torch_file.read(stream(tmp_path / "x.pth", content))
    found = torch_file.read(stream(tmp_path / "x.pth", content), legacy=True)
    np.testing.assert_array_equal(found["a"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(found["b"], [4, 5])


def test_the_older_format_is_held_to_the_same_list(tmp_path):
    called = program(b"cos\nsystem\n(", text("true"), b"tR")
    with pytest.raises(ValueError, match="is refused: it names os.system"):
        torch_file.read(stream(tmp_path / "x.pth", called), legacy=True)
    whole = state(a=tensor("7", (6,), (1,)))
    with pytest.raises(ValueError, match="damaged .a storage of another length"):
        torch_file.read(stream(tmp_path / "x.pth", whole, num=5), legacy=True)
    with pytest.raises(ValueError, match="is no checkpoint of PyTorch"):
        torch_file.read(stream(tmp_path / "x.pth", whole, magic=3), legacy=True)
    large = state(a=tensor("7", (6,), (1,), num=65535))
    with pytest.raises(
        ValueError, match="refused: its storages are larger than the file"
    ):
        torch_file.read(stream(tmp_path / "x.pth", large), legacy=True)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        torch_file.read(tmp_path / "none.pth")
    (tmp_path / "x.pth").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no checkpoint of PyTorch"):
        torch_file.read(tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "z.pth", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(ValueError, match="is no checkpoint of PyTorch"):
        torch_file.read(tmp_path / "z.pth")


def test_a_name_made_of_containers_is_not_written_out(tmp_path):
    """Forty tuples, each the one before twice: a million million words."""
    doubled = b")q\x00" + b"h\x00h\x00\x86q\x00" * 40
    path = save(tmp_path / "a.pth", b"\x80\x04" + doubled + b"\x93.")
    with pytest.raises(ValueError, match="it names what is no text"):
        torch_file.read(path)
