"""`python -m experiments.mix`: the command `causal-jax mix`."""

from causal_jax.cli import command_line

if __name__ == "__main__":
    command_line.launch("mix")
