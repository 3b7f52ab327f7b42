"""Coverage-guided fuzzing of one reader by atheris (libFuzzer).

    python -m tests.fuzz.guided TARGET FOLDER -max_total_time=600

TARGET is a name of `tests.fuzz.targets`; FOLDER keeps inputs that reached new code.
Seeds are put there first. atheris is no dependency: pip install atheris (Linux,
CPython 3.11 to 3.13). A finding is written to crash-*, and its trace printed.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["causal_jax"]):
    from tests.fuzz import seeds, targets


def main() -> None:
    """Fuzzes the target that the first argument names."""
    name, folder = sys.argv[1:3]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for i, data in enumerate(seeds.of(name)):
        Path(folder, f"seed_{i}").write_bytes(data)
    target = targets.TARGETS[name]
    atheris.Setup([sys.argv[0], folder, *sys.argv[3:]], lambda data: target(data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
