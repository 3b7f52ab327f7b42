"""`python -m experiments.prepare`: the command `causal-jax prepare`."""

from causal_jax.cli import command_line

if __name__ == "__main__":
    command_line.launch("prepare")
