"""Where the parts of an overlay are: for those who write them, and for those who check that they are there."""

from __future__ import annotations

import os

from devpy_pip_guard import BASE_SCRIPTS, REST

PTH_BRIDGE, START_BRIDGE = "~devpy.pth", "~devpy.start"
"""The files that bring `site` to the bridge: the first up to Python 3.14, the second from 3.15 on (PEP 829).

An overlay never has both: from Python 3.20 on, a line as in the first gives a warning, whatever else is there. The
entry point in the second makes a start load `pkgutil` and `re`, which most programs need anyway. From 3.15 on, a line
would run ahead of the editables' entry points.
"""

ACTIVATE_SCRIPTS = ("activate", "activate.fish")
"""The scripts in `bin` by virtualenv that devpy extends, so that they activate the base as well."""

GUARD = "_devpy_guard"
LAUNCHER = os.path.join("lib", "devpy", "base-script")
SCRIPT_FOLDERS = ("bin", BASE_SCRIPTS)
"""Where an overlay has a link for each console script of the base: what goes first on PATH, in this order.

The second one stays whole whatever becomes of the first, where pip and the user remove files.
"""

_IN_SITE_PACKAGES = ("sitecustomize.py", os.path.join(GUARD, "__init__.pyc"), os.path.join(GUARD, REST))


def bridge(site_packages: str) -> str:
    """Return the name of the file by which the Python of a site-packages folder comes to the bridge.

    :param site_packages: such as `/project/.venv/lib/python3.11/site-packages`
    """
    minor = os.path.basename(os.path.dirname(site_packages)).partition("python3.")[2].rstrip("t")
    return START_BRIDGE if minor.isdecimal() and int(minor) >= 15 else PTH_BRIDGE


def in_site_packages(site_packages: str) -> list[str]:
    """Return the files that must be in site-packages for an overlay to work, absolute.

    :param site_packages: absolute
    """
    return [os.path.join(site_packages, name) for name in (bridge(site_packages), *_IN_SITE_PACKAGES)]


def site_packages(prefix: str, python: str) -> str:
    """Return the site-packages of an overlay, there or not, or of a base: conda lays out both in the same way.

    :param prefix: absolute
    :param python: the folder of its Python in `lib`, such as `python3.11`
    """
    return os.path.join(prefix, "lib", python, "site-packages")
