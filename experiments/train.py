"""`python -m experiments.train`: the command `causal-jax train`."""

from causal_jax.cli import command_line

if __name__ == "__main__":
    command_line.launch("train")
