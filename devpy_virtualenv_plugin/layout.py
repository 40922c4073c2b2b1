"""Where the parts of an overlay are, for whoever writes them and whoever looks whether they are there."""

from __future__ import annotations

import os

from devpy_pip_guard import REST

PTH_BRIDGE, START_BRIDGE = "~devpy.pth", "~devpy.start"
"""The files by which `site` comes to the bridge: one up to Python 3.14, the other from 3.15 on (PEP 829).

Never both: from Python 3.20 on, the line in the first gives a warning, whatever else there is. An entry point costs a
start the loading of `pkgutil` and `re`, which most programs need anyway; a line would run before the editables' own.
"""

ACTIVATE_SCRIPTS = ("activate", "activate.fish")
"""Of the scripts in `bin` with which virtualenv activates an overlay, those that can activate the base as well."""

GUARD = "_devpy_guard"
LAUNCHER = os.path.join("lib", "devpy", "base-script")

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
