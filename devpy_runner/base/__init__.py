"""The base: from the name in devpy.toml to the prefix of a conda environment."""
