"""`python -m experiments.sheet`: the command `causal-jax sheet`."""

from causal_jax.cli import command_line

if __name__ == "__main__":
    command_line.launch("sheet")
