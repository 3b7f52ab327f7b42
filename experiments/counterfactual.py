"""`python -m experiments.counterfactual`: the command `causal-jax counterfactual`."""

from causal_jax.cli import command_line

if __name__ == "__main__":
    command_line.launch("counterfactual")
