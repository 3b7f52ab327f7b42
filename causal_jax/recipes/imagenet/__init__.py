"""Counterfactual generative networks on natural images."""
