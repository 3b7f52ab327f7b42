"""`python -m experiments.animate`: the command `causal-jax animate`."""

from causal_jax.cli import command_line

if __name__ == "__main__":
    command_line.launch("animate")
