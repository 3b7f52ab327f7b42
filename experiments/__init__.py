"""Entry points: absl flags, ml_collections configs."""
