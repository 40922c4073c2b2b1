"""Run programs as a user would: in a clean environment, which owes nothing to the one that runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# Where packages come from, and how to reach it; not how pip behaves.
_DOWNLOAD_SETTINGS = (
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_NO_INDEX",
    "PIP_PROXY",
    "PIP_RETRIES",
    "PIP_TRUSTED_HOST",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "ALL_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_TIMEOUT_SECONDS = 600  # so that a program that hangs fails its test instead of the whole run


class Result(NamedTuple):
    """What a program left behind."""

    code: int
    """The exit code, or the negative number of the signal that ended it."""
    out: str
    err: str


DEVPY = [sys.executable, "-m", "devpy_runner"]


class Devpy:
    """The `devpy` command.

    :param environ: its environment variables, unless a call gives others
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __call__(self, *args: str, cwd: Path, environ: Mapping[str, str] | None = None, stdin: str = "") -> Result:
        """Run `devpy` with the arguments; pytest shows what it printed when the test fails."""
        command = [*DEVPY, *args]
        return run(command, cwd=cwd, environ=self._environ if environ is None else environ, stdin=stdin)


def clean_environ(home: Path, pip_cache: Path) -> dict[str, str]:
    """Return what a fresh login has: no Python, conda, git or virtual environment variables.

    The programs of the Python that runs the tests, `devpy` among them, are first on PATH.

    :param home: HOME, absolute
    :param pip_cache: PIP_CACHE_DIR, absolute
    """
    return {
        **_download_settings(),
        **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_PROCESS_")},
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), _SYSTEM_PATH]),
        "PIP_CACHE_DIR": str(pip_cache),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def run(command: Sequence[str | Path], *, cwd: Path, environ: Mapping[str, str], stdin: str = "") -> Result:
    """Run a program to its end; pytest shows what it printed when the test fails."""
    process = subprocess.run(
        command,
        cwd=cwd,
        env=environ,
        input=stdin,
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="backslashreplace",
        timeout=_TIMEOUT_SECONDS,
    )
    result = Result(process.returncode, process.stdout, process.stderr)
    print(f"$ {' '.join(map(str, command))}  (in {cwd})")
    print(f"exit code {result.code}\n--- stdout\n{result.out}\n--- stderr\n{result.err}")
    return result


def _download_settings() -> dict[str, str]:
    """Return the caller's settings; the file in which pip keeps a user's own would be lost with HOME."""
    settings = {name: os.environ[name] for name in _DOWNLOAD_SETTINGS if name in os.environ}
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for file in (config_home / "pip" / "pip.conf", Path.home() / ".pip" / "pip.conf"):
        if file.is_file():
            settings.setdefault("PIP_CONFIG_FILE", str(file))
    return settings
