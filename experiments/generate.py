"""`python -m experiments.generate`: the command `causal-jax generate`."""

from causal_jax.cli import command_line

if __name__ == "__main__":
    command_line.launch("generate")
