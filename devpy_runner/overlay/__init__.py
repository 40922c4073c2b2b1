"""The overlay: its state, and bringing it up to date."""
