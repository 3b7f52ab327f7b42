"""`python -m experiments.quickstart`: the command `causal-jax quickstart`."""

from causal_jax.cli import command_line

if __name__ == "__main__":
    command_line.launch("quickstart")
