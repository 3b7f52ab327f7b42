"""What --do and --given say: assignments of states to nodes."""


def read(text: str, flag: str) -> dict[str, str]:
    """Reads "Mustache=1,Bald=0".

    Raises:
      ValueError: a part that is no NODE=STATE, or a node named twice.
    """
    result = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, state = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not state:
            raise ValueError(f"--{flag}: {part!r} is not NODE=STATE")
        if name in result:
            raise ValueError(f"--{flag} names {name!r} twice")
        result[name] = state
    return result
