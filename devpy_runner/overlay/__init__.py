"""The overlay: its state, making it, bringing it up to date, and removing it."""
