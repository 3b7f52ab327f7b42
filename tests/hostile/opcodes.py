"""A pickle of a state dict, written opcode by opcode."""

ORDERED = b"ccollections\nOrderedDict\n"


def program(*parts: bytes) -> bytes:
    """A whole pickle."""
    return b"\x80\x02" + b"".join(parts) + b"."


def text(value: str) -> bytes:
    """A word."""
    encoded = value.encode()
    return b"X" + len(encoded).to_bytes(4, "little") + encoded


def integer(value: int) -> bytes:
    """A number of any size below 2^2039."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def tuple_of(*items: bytes) -> bytes:
    """A tuple."""
    return b"(" + b"".join(items) + b"t"


def integers(values: list[int]) -> bytes:
    """A tuple of numbers."""
    return tuple_of(*map(integer, values))


def called(module: str, name: str, *arguments: bytes) -> bytes:
    """A call of what a module has."""
    return f"c{module}\n{name}\n".encode() + tuple_of(*arguments) + b"R"


def reference(
    key: str, *, kind: str = "FloatStorage", num: int = 6, more: bytes = b""
) -> bytes:
    """A storage."""
    name = f"ctorch\n{kind}\n".encode()
    items = (text("storage"), name, text(key), text("cpu"), integer(num), more)
    return tuple_of(*items) + b"Q"


def view(of: bytes, size: list[int], stride: list[int], *, offset: int = 0) -> bytes:
    """A tensor of whatever is put in the storage's place."""
    numbers = (integer(offset), integers(size), integers(stride))
    return called("torch._utils", "_rebuild_tensor_v2", of, *numbers, b"\x89", b"}")


def tensor(
    key: str, size: list[int], stride: list[int], *, offset: int = 0, **storage
) -> bytes:
    """A tensor as `torch.save` writes it."""
    return view(reference(key, **storage), size, stride, offset=offset)


def state(**tensors: bytes) -> bytes:
    """A pickle of {name: tensor}."""
    items = b"".join(text(name) + value for name, value in tensors.items())
    return program(ORDERED + b")R(", items, b"u")
