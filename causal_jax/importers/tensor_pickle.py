"""Reads the pickle of a PyTorch state dict as data; none of it is ever called.

A pickle is a program for a stack machine. The machine here knows the opcodes that
`torch.save` writes for dictionaries, lists, tuples, numbers, text and tensors, and
refuses every other. Names of code are compared with a list and never looked up. What a
name stands for is a value of this module, so that

    a storage is what BINPERSID made, a tensor is what `_rebuild_tensor*` made of one,

and nothing else is taken for either: a tensor put where a storage belongs (a view of a
view, which would reach beyond the file's bytes) is refused. The opcodes themselves are
split by the standard library's `pickletools`, which interprets nothing.
"""

import enum
import io
import pickletools
from typing import Any

from causal_jax.archives import RefusedError
from causal_jax.importers.tensor_views import (
    DTYPES,
    Tensor,
    storage_of,
    tensor_of,
)

MAX_BYTES = 16 << 20  # of one pickle; ImageNet models have less than 0.2 MB
MAX_OPCODES = 500_000  # about 35 a tensor
MAX_DEPTH = 32  # of containers in containers
_MAX_KEY = 1 << 31  # of numbers that are keys: larger ones can be made to collide
_SHOWN = 80  # characters of the file's text in an error message


class _Code(enum.Enum):
    """What a pickle may name and call."""

    DICTIONARY = enum.auto()
    TENSOR = enum.auto()
    PARAMETER = enum.auto()


_NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Code.DICTIONARY,
    ("torch._utils", "_rebuild_tensor"): _Code.TENSOR,
    ("torch._utils", "_rebuild_tensor_v2"): _Code.TENSOR,
    ("torch._utils", "_rebuild_parameter"): _Code.PARAMETER,
} | {("torch", name): dtype for name, dtype in DTYPES.items()}
_MARK = object()


def read(file: io.BytesIO) -> Any:
    """What the pickle at the file's place describes; the file is then behind it.

    Returns:
      Dictionaries, lists, tuples, numbers, text, and `Tensor`s in them.

    Raises:
      RefusedError: what no state dict needs is in it.
      ValueError: it is damaged.
    """
    machine = _Machine()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if count > MAX_OPCODES:
            raise RefusedError(f"its pickle has more than {MAX_OPCODES:,} steps")
        machine.step(opcode.name, argument)
    return machine.result()


class _Machine:
    """The stack, the memory and what each opcode does to them."""

    def __init__(self):
        self._stack: list[Any] = []
        self._memory: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        else:
            raise RefusedError(f"its pickle uses {name}, which no state dict needs")

    def result(self) -> Any:
        """What is left on the stack at the end."""
        if len(self._stack) != 1 or self._stack[0] is _MARK:
            raise ValueError("its pickle does not end with one value")
        _require_shallow(self._stack[0])
        return self._stack[0]

    # --- the stack and the memory ---------------------------------------------------

    def _pop(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise ValueError("its pickle takes more than it put down")
        return self._stack.pop()

    def _popped_to_mark(self) -> list[Any]:
        items = []
        while self._stack:
            if (item := self._stack.pop()) is _MARK:
                return items[::-1]
            items.append(item)
        raise ValueError("its pickle has no mark where one is needed")

    def _top(self, kind: type) -> Any:
        if not self._stack or type(self._stack[-1]) is not kind:
            raise ValueError(f"its pickle fills what is no {kind.__name__}")
        return self._stack[-1]

    def mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    def put(self, index: int) -> None:
        self._stack.append(value := self._pop())
        self._memory[index] = value

    def memoize(self, _: Any) -> None:
        self.put(len(self._memory))

    def get(self, index: int) -> None:
        if index not in self._memory:
            raise ValueError("its pickle remembers what it never saw")
        self._stack.append(self._memory[index])

    # --- containers -----------------------------------------------------------------

    def tuple_of_marked(self, _: Any) -> None:
        self._stack.append(tuple(self._popped_to_mark()))

    def tuple_1(self, _: Any) -> None:
        self._stack.append((self._pop(),))

    def tuple_2(self, _: Any) -> None:
        second, first = self._pop(), self._pop()
        self._stack.append((first, second))

    def tuple_3(self, _: Any) -> None:
        third, second, first = self._pop(), self._pop(), self._pop()
        self._stack.append((first, second, third))

    def append(self, _: Any) -> None:
        item = self._pop()
        self._top(list).append(item)

    def appends(self, _: Any) -> None:
        items = self._popped_to_mark()
        self._top(list).extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        self._fill([key, value])

    def set_items(self, _: Any) -> None:
        self._fill(self._popped_to_mark())

    def _fill(self, items: list[Any]) -> None:
        filled = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            _set(filled, key, value)

    def build(self, _: Any) -> None:
        """Drops an OrderedDict's attributes: PyTorch keeps version numbers there."""
        self._pop()
        if not self._stack or type(self._stack[-1]) is not dict:
            raise RefusedError("it sets attributes of what is no dictionary")

    # --- names, storages, tensors ---------------------------------------------------

    def name(self, argument: str) -> None:
        self._name(*argument.split(" ", 1))

    def name_of_stack(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        self._name(module, name)

    def _name(self, module: Any, name: Any) -> None:
        # Nothing but text is ever written out: of containers that hold one another
        # twice, thirty levels make a billion words.
        if type(module) is not str or type(name) is not str:
            raise RefusedError("it names what is no text")
        found = _NAMES.get((module, name))
        if found is None:
            said = f"{module}.{name}".encode("unicode_escape").decode()[:_SHOWN]
            raise RefusedError(
                f"it names {said}, and a state dict holds nothing but tensors"
            )
        self._stack.append(found)

    def storage(self, _: Any) -> None:
        self._stack.append(storage_of(self._pop()))

    def call(self, _: Any) -> None:
        arguments, code = self._pop(), self._pop()
        if type(arguments) is not tuple or not isinstance(code, _Code):
            raise RefusedError("it calls what is no function of PyTorch's tensors")
        self._stack.append(_CALLS[code](arguments))


_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINSTRING", "BINSTRING"),  # Python 2's text
}
_CONSTANTS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_ACTIONS = {
    "MARK": _Machine.mark,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "TUPLE": _Machine.tuple_of_marked,
    "TUPLE1": _Machine.tuple_1,
    "TUPLE2": _Machine.tuple_2,
    "TUPLE3": _Machine.tuple_3,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "BUILD": _Machine.build,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_of_stack,
    "BINPERSID": _Machine.storage,
    "REDUCE": _Machine.call,
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, argument: None),
}


def _parameter(arguments: tuple) -> Tensor:
    """`torch._utils._rebuild_parameter`: the tensor alone."""
    if not arguments or type(arguments[0]) is not Tensor:
        raise RefusedError("a parameter has no tensor")
    return arguments[0]


def _dictionary(arguments: tuple) -> dict:
    """An OrderedDict, empty, or of pairs as Python 2 wrote it."""
    filled: dict = {}
    for pairs in arguments:
        for pair in pairs if type(pairs) is list else [None]:
            if type(pair) not in (list, tuple) or len(pair) != 2:
                raise RefusedError("a dictionary is made of what are no pairs")
            _set(filled, *pair)
    return filled


def _set(filled: dict, key: Any, value: Any) -> None:
    if type(key) is not str and not (type(key) is int and 0 <= key < _MAX_KEY):
        raise RefusedError("a dictionary's key is neither text nor a number")
    filled[key] = value


_CALLS = {
    _Code.DICTIONARY: _dictionary,
    _Code.TENSOR: tensor_of,
    _Code.PARAMETER: _parameter,
}


def _require_shallow(content: Any) -> None:
    """Raises RefusedError where containers lie more than `MAX_DEPTH` deep."""
    level, seen = [content], set()
    for _ in range(MAX_DEPTH):
        below = []
        for item in level:
            if type(item) in (dict, list, tuple) and id(item) not in seen:
                seen.add(id(item))
                below += item.values() if type(item) is dict else item
        if not below:
            return
        level = below
    raise RefusedError(f"its containers lie more than {MAX_DEPTH} deep")
