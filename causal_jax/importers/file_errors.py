"""What is wrong with a weight file, in one line that names it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from causal_jax.archives import RefusedError


class ForeignError(ValueError):
    """Not a weight file at all."""


class StateDictError(ValueError):
    """A file that is whole and holds something else, which is the error's text."""


@contextlib.contextmanager
def one_line_errors(path: Path) -> Iterator[None]:
    """Turns whatever goes wrong in the block into a ValueError of one line."""
    try:
        yield
    except StateDictError as error:
        raise ValueError(f"{path} holds {error}") from error
    except ForeignError as error:
        raise ValueError(
            f"{path} is no checkpoint of PyTorch: give a state dict of torch.save, or "
            "a .safetensors file"
        ) from error
    except RefusedError as error:
        raise ValueError(f"{path} is refused: {error}") from error
    except Exception as error:  # of a file cut or made up: any class
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ValueError(f"{path} is damaged ({reason}): fetch it again") from error
