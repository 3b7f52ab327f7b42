"""Counterfactual generative networks: composition, parts, discriminators, sampler."""
