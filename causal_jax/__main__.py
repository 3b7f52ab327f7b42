"""`python -m causal_jax COMMAND`, where the script `causal-jax` is not on the path."""

from causal_jax.cli.__main__ import main

if __name__ == "__main__":
    main()
