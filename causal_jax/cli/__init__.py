"""The commands of `causal-jax`, one per file."""
