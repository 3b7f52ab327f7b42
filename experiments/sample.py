"""`python -m experiments.sample`: the command `causal-jax sample`."""

from causal_jax.cli import command_line

if __name__ == "__main__":
    command_line.launch("sample")
