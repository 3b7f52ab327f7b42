"""Everything to train and measure one family of models."""
