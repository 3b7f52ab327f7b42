"""Data: faces, CelebA, tables, tfds."""
