"""`virtualenv --creator devpy`: writes an overlay on a conda interpreter."""

__version__ = "0.2.0"
