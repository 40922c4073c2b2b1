"""Where the parts of an overlay are, for whoever writes them and whoever looks whether they are there."""

from __future__ import annotations

import os

from devpy_pip_guard import REST

BRIDGE = "~devpy.pth"
GUARD = "_devpy_guard"
LAUNCHER = os.path.join("lib", "devpy", "base-script")

IN_SITE_PACKAGES = (BRIDGE, "sitecustomize.py", os.path.join(GUARD, "__init__.pyc"), os.path.join(GUARD, REST))
"""What must be in site-packages for an overlay to work."""


def site_packages(prefix: str, python: str) -> str:
    """Return the site-packages of an overlay, there or not, or of a base: conda lays out both in the same way.

    :param prefix: absolute
    :param python: the folder of its Python in `lib`, such as `python3.11`
    """
    return os.path.join(prefix, "lib", python, "site-packages")
