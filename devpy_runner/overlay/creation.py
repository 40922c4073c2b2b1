"""Having virtualenv make an overlay, and telling the user if a virtualenv does what nobody foresaw."""

from __future__ import annotations

import atexit
import io
import os
import shlex
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from devpy_pip_guard.errors import DevpyError

from ..activate import scripts
from ..bug_report import installed_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpy_pip_guard.config import Config

KNOWN_VIRTUALENV = "21.15.11"
"""A release of virtualenv that makes overlays as it should."""


def make(config: Config, base: str, environ: Mapping[str, str]) -> None:
    """Write the overlay's own files. Call it under the lock.

    :param config: from devpy.toml
    :param base: the prefix of the conda environment, absolute
    :param environ: the caller's environment variables
    :raises DevpyError: if the base's interpreter fails, or virtualenv does
    :raises OSError: if the overlay cannot be written
    """
    options = ["--creator", "devpy", "--devpy-config", config.file, "--discovery", "builtin", "--no-seed"]
    python = os.path.join(base, "bin", "python")
    # The overlay shall not depend on what the user has set for virtual environments of his own.
    kept = {name: value for name, value in environ.items() if not name.startswith("VIRTUALENV_")}
    kept["VIRTUALENV_CONFIG_FILE"] = os.devnull
    _run([*options, "--python", python, config.venv], kept, config.venv, python)
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
        raise DevpyError(f"{venv}: virtualenv failed: {error}", f"try it by hand: {python} --version") from error
    except SystemExit as error:
        last = printed.getvalue().rstrip().rpartition("\n")[2]
        raise unforeseen(f"has ended with {error.code}: {last}") from error
    except Exception as error:
        raise unforeseen(f"has raised {type(error).__name__}: {error}") from error


def unforeseen(what: str) -> DevpyError:
    """Return the error for a virtualenv that has not done what its plugin reference promises.

    :param what: it did instead
    """
    problem = f"virtualenv {installed_version('virtualenv')} {what}, which no release did that devpy was tested with"
    return DevpyError(problem, f"{shlex.quote(sys.executable)} -m pip install virtualenv=={KNOWN_VIRTUALENV}")
