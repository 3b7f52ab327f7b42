"""Archives as `torch.save` writes them, with a pickle that somebody prepared.

Pickles are written opcode by opcode, since no library writes what is wrong on purpose.
"""

import functools

from tests.hostile.opcodes import (
    ORDERED,
    called,
    integer,
    integers,
    program,
    reference,
    state,
    tensor,
    text,
    tuple_of,
    view,
)
from tests.hostile.writing import Kinds, archive, registered

KINDS: Kinds = {}
_kind = functools.partial(registered, KINDS)


def _pickles(**by_name: bytes) -> None:
    """Kinds that differ in the pickle alone."""
    for name, pickled in by_name.items():
        _kind(name.replace("_", " "))(lambda pickled=pickled: archive(pickled))


# --- views ----------------------------------------------------------------------------

_pickles(
    view_longer_than_its_storage=state(a=tensor("7", [9], [1])),
    view_that_begins_behind_its_storage=state(a=tensor("7", [2], [1], offset=5)),
    stride_out_of_the_storage=state(a=tensor("7", [2], [9])),
    view_of_a_view_that_reads_4_MB_of_other_memory=state(
        a=view(tensor("7", [10**6], [0]), [10**6], [1])
    ),
    view_of_a_view_that_crashes=state(
        a=view(tensor("7", [2 * 10**9], [0]), [2 * 10**9], [1])
    ),
    view_of_a_tensor_instead_of_a_storage=state(
        a=view(tensor("7", [6], [1]), [6], [1])
    ),
    memory_bomb_of_one_number_10E9_times=state(a=tensor("7", [10**9], [0])),
    negative_offset=state(a=tensor("7", [1], [1], offset=-4)),
    negative_stride=state(a=tensor("7", [3], [-1], offset=2)),
    negative_size=state(a=tensor("7", [-1], [1])),
    sizes_whose_product_overflows=state(a=tensor("7", [2**33, 2**33], [1, 1])),
    size_of_2E62=state(a=tensor("7", [2**62], [1])),
    empty_tensor_of_endless_axes=state(a=tensor("7", [0, *[2**40] * 9], [1] * 10)),
    thousand_axes=state(a=tensor("7", [1] * 1000, [1] * 1000)),
    size_of_text=state(
        a=called(
            "torch._utils",
            "_rebuild_tensor_v2",
            reference("7"),
            integer(0),
            tuple_of(text("6")),
            integers([1]),
        )
    ),
    strides_left_out=state(a=tensor("7", [2, 3], [1])),
)

# --- storages -------------------------------------------------------------------------

_pickles(
    storage_announced_as_4_GiB=state(a=tensor("7", [2**30], [1], num=2**30)),
    storage_shorter_than_announced=state(a=tensor("7", [60], [1], num=60)),
    storage_of_objects=state(a=tensor("7", [6], [1], kind="ObjectStorage")),
    storage_with_two_types=state(
        a=tensor("7", [6], [1]), b=tensor("7", [3], [1], kind="LongStorage", num=3)
    ),
    storage_that_is_not_there=state(a=tensor("../../etc/passwd", [6], [1])),
    storage_reference_of_text=state(a=view(text("7") + b"Q", [6], [1])),
    storage_that_is_a_part_of_another=state(
        a=view(reference("7", more=integers([0, 6])), [6], [1])
    ),
)

# --- programs -------------------------------------------------------------------------

_pickles(
    call_of_os_system=program(called("os", "system", text("touch /tmp/run"))),
    call_of_eval_by_its_name_on_the_stack=program(
        text("builtins") + text("eval") + b"\x93" + tuple_of(text("1")) + b"R"
    ),
    call_of_a_call=program(called("collections", "OrderedDict") + tuple_of() + b"R"),
    object_by_INST=program(b"(" + text("true") + b"ios\nsystem\n"),
    object_by_NEWOBJ=program(ORDERED + b")\x81"),
    object_by_NEWOBJ_EX=program(ORDERED + b")}\x92"),
    object_by_extension_registry=program(b"\x82\x01"),
    attributes_set_by_BUILD=state(
        a=tensor("7", [6], [1]) + b"N}" + text("shape") + integer(9) + b"s\x86b"
    ),
    name_with_a_line_break=program(text("os\nx") + text("a\nb") + b"\x93"),
    whole_module_instead_of_a_state_dict=program(called("torch.nn", "Linear")),
)

# --- nesting, dictionaries, lengths ---------------------------------------------------


@_kind("deep nesting of tuples")
def _() -> bytes:
    return archive(program(b")" + b"\x85" * 450_000))


@_kind("deep nesting by marks")
def _() -> bytes:
    return archive(program(b"(" * 400_000 + b"t" * 50_000))


@_kind("deep nesting of dictionaries")
def _() -> bytes:
    return archive(program(b"}" + (text("a") + b"}") * 99_999 + b"s" * 99_999))


@_kind("dictionary bomb of two million entries")
def _() -> bytes:
    items = b"".join(b"J" + i.to_bytes(4, "little") + b"N" for i in range(2_000_000))
    return archive(program(b"}(" + items + b"u"))


@_kind("dictionary with colliding keys")
def _() -> bytes:
    prime = 2**61 - 1  # hash(k * prime) is 0
    keys = (prime * k for k in range(1, 60_000))
    items = b"".join(b"\x8a\x0a" + k.to_bytes(10, "little") + b"N" for k in keys)
    return archive(program(b"}(" + items + b"u"))


@_kind("as many dictionaries as the limit of steps lets through")
def _() -> bytes:
    return archive(program(b"](" + b"}\x94" * 249_000 + b"e"))


@_kind("billion laughs: lists that hold a list ten times")
def _() -> bytes:
    level = b"](" + b"h\0" * 10 + b"eq\0"
    return archive(program(b"(]q\0" + level * 40 + b"t"))


@_kind("list that holds itself")
def _() -> bytes:
    return archive(program(b"]q\0h\0a"))


@_kind("text announced as longer than any memory")
def _() -> bytes:
    return archive(program(b"\x8d" + b"\xff" * 7 + b"\x7f"))


@_kind("number of a million digits")
def _() -> bytes:
    return archive(program(b"L" + b"9" * 1_000_000 + b"L\n"))


@_kind("pickle of 17 MB")
def _() -> bytes:
    return archive(program(b"X" + (17 << 20).to_bytes(4, "little") + bytes(17 << 20)))
