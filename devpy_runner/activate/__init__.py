"""Activation: what `conda activate` would set, and a command in that environment."""
