"""Making an overlay by virtualenv. A release that does something unforeseen is named, with one that works."""

from __future__ import annotations

import atexit
import io
import os
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin import record
from devpy_virtualenv_plugin.layout import LAUNCHER, PTH_BRIDGE, START_BRIDGE, site_packages
from devpy_virtualenv_plugin.lock import empty
from devpy_virtualenv_plugin.mends import command

from ..activate import scripts
from ..bug_report import installed_version
from .state import INCOMPLETE, has_pyvenv_cfg, missing_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpy_pip_guard.config import Config
    from devpy_virtualenv_plugin.record import Record

    from ..base.lookup import Base
    from .state import Overlay

WORKING_VIRTUALENV = "21.15.11"
"""A release of virtualenv that makes working overlays."""


def build(config: Config, base: Base, overlay: Overlay, environ: Mapping[str, str]) -> None:
    """Write the overlay's own files through virtualenv. Call it under the lock.

    The packages in it stay, unless its making was interrupted or their console scripts are gone. The creator removes
    those for another Python than the base's.

    :param overlay: what `examine` said
    :param environ: the caller's environment variables
    :raises DevpyError: if virtualenv or the base's interpreter fails
    """
    if overlay.record is None or not _may_stay(overlay.record, config.venv):
        empty(config.venv)
    elif overlay.state == INCOMPLETE:
        _remove_remains(site_packages(config.venv, overlay.record.python))
    _make(config, base.prefix, environ)
    recorded = record.read(config.venv)
    missing = missing_parts(config.venv, recorded.python) if recorded else [os.path.join(config.venv, record.FILE_NAME)]
    if missing:
        raise _unforeseen(f"has left {config.venv} without {os.path.relpath(missing[0], config.venv)}")
    launcher = os.path.join(config.venv, LAUNCHER)
    if not os.access(launcher, os.X_OK):
        mend = f"mount it without noexec, or set python.venv in {config.file} to another folder"
        raise DevpyError(f"{launcher} cannot be executed where it lies", mend)


def _may_stay(recorded: Record, venv: str) -> bool:
    """Tell whether what is installed in an overlay is of use when its own files are written anew."""
    if not (recorded.complete or recorded.built) or not has_pyvenv_cfg(venv):
        return False
    return os.path.isdir(site_packages(venv, recorded.python)) and os.path.isdir(os.path.join(venv, "bin"))


def _remove_remains(folder: str) -> None:
    """Remove what an interrupted pip leaves in the way of the next one.

    One is what pip has put aside under names with a tilde: its metadata would still count. The other is a distribution
    without a RECORD, which pip writes last and without which it cannot uninstall.

    :param folder: the overlay's site-packages, absolute
    """
    for entry in os.scandir(folder):
        is_put_aside = entry.name.startswith("~") and entry.name not in (PTH_BRIDGE, START_BRIDGE)
        is_begun = entry.name.endswith(".dist-info") and not os.path.exists(os.path.join(entry.path, "RECORD"))
        if not (is_put_aside or is_begun):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _make(config: Config, base: str, environ: Mapping[str, str]) -> None:
    """Write the overlay's own files. Call it under the lock.

    :param config: from devpy.toml
    :param base: the prefix of the conda environment, absolute
    :param environ: the caller's environment variables
    :raises DevpyError: if the base's interpreter fails, or virtualenv does
    :raises OSError: if the overlay cannot be written
    """
    options = ["--creator", "devpy", "--devpy-config", config.file, "--discovery", "builtin", "--no-seed"]
    python = os.path.join(base, "bin", "python")
    # What the user has set for other virtual environments, or for what he runs, is not meant for the overlay.
    left_out = ("VIRTUALENV_", "PYTHONPATH")
    variables = {name: value for name, value in environ.items() if not name.startswith(left_out)}
    variables["VIRTUALENV_CONFIG_FILE"] = os.devnull
    _run([*options, "--python", python, config.venv], variables, config.venv, python)
    scripts.extend(Path(config.venv, "bin"))
    atexit.unregister(scripts.extend)


def _run(options: list[str], environ: dict[str, str], venv: str, python: str) -> None:
    """Run virtualenv in this process.

    :param environ: the variables that it gets to see
    """
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):  # argparse tells why it exits, in several lines
            from virtualenv import cli_run

            cli_run(options, setup_logging=False, env=environ)
    except (DevpyError, OSError):
        raise
    except RuntimeError as error:  # its own, and the creator's, about the interpreter
        mend = f"try it by hand: {command(python, '--version')}"
        raise DevpyError(f"{venv}: virtualenv failed: {error}", mend) from error
    except SystemExit as error:
        last = printed.getvalue().rstrip().rpartition("\n")[2]
        raise _unforeseen(f"has ended with {error.code}: {last}") from error
    except Exception as error:
        raise _unforeseen(f"has raised {type(error).__name__}: {error}") from error


def _unforeseen(what: str) -> DevpyError:
    """Return the error for a virtualenv that has not done what its plugin reference promises.

    :param what: it did instead
    """
    problem = f"virtualenv {installed_version('virtualenv')} {what}, which no release did that devpy was tested with"
    mend = command(sys.executable, "-m", "pip", "install", f"virtualenv=={WORKING_VIRTUALENV}")
    return DevpyError(problem, mend)
