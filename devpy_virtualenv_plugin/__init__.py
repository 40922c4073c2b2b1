"""`virtualenv --creator devpy`: writes an overlay on a conda interpreter."""

__version__ = "0.3.0.dev0"

OLDEST_PYTHON = (3, 8)
"""Of a base."""

NEWEST_PYTHON = (3, 15)
"""Of the bases that devpy was tested with; a newer one may work."""
