"""`python -m experiments.import_weights`: the command `causal-jax import`."""

from causal_jax.cli import command_line

if __name__ == "__main__":
    command_line.launch("import_weights", "import")
