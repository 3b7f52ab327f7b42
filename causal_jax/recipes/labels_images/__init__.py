"""Labels along a causal graph, and images below them: CausalGAN and CausalBEGAN."""
