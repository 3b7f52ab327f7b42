"""`causal-jax COMMAND`: the commands and a line on each.

causal-jax quickstart
causal-jax COMMAND --help
"""

import ast
import sys
from pathlib import Path

from causal_jax.cli import command_line
from causal_jax.graph import suggestion

COMMANDS = (
    *("quickstart", "train", "evaluate", "sample", "counterfactual"),
    *("sheet", "animate", "soundness", "generate", "mix", "prepare", "import"),
    "export",
)
_MODULES = {"import": "import_weights"}  # where the command's name cannot be one


def main() -> None:
    """Runs the command that the first argument names."""
    command = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if command in ("--help", "-h", "help"):
        print(overview())
        return
    if command not in COMMANDS:
        sys.exit(f"usage: {command!r} is no command: {suggestion(command, COMMANDS)}")
    del sys.argv[1]
    command_line.launch(module_of(command), command)


def module_of(command: str) -> str:
    """The name of a command's module in this package."""
    return _MODULES.get(command, command)


def overview() -> str:
    """Every command and the first line of its help; no command is imported for it."""
    lines = ["causal-jax COMMAND [--flag=value ...]   (causal-jax COMMAND --help)", ""]
    for command in COMMANDS:
        path = Path(__file__).with_name(f"{module_of(command)}.py")
        text = path.read_text(encoding="utf-8")
        first = ast.get_docstring(ast.parse(text)).splitlines()[0]
        lines.append(f"  {command:15s} {first}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
