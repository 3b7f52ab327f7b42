"""`python -m experiments.evaluate`: the command `causal-jax evaluate`."""

from causal_jax.cli import command_line

if __name__ == "__main__":
    command_line.launch("evaluate")
