"""`python -m experiments.export`: the command `causal-jax export`."""

from causal_jax.cli import command_line

if __name__ == "__main__":
    command_line.launch("export")
