"""Digits in three parts: counterfactual generative networks, and classifiers."""
