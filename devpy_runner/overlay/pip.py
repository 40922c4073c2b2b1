"""Running the base's pip on the overlay's Python."""

from __future__ import annotations

import os
import re
import sys
from typing import NamedTuple

from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin.lock import held
from devpy_virtualenv_plugin.mends import conda_install

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..activate.environment import Environment
    from .progress import Progress

# What pip prints when it turns to the next package, in every version since 20.3.
_OBTAINING = re.compile(r"Obtaining (?P<url>file://\S+)")
_BUILDING = re.compile(r"\s*(?:Building (?:editable|wheel) for|Running setup\.py develop for) (?P<name>\S+)")
_FAILED = re.compile(r"Failed building (?:editable|wheel) for (?P<name>\S+)")
_SETTINGS = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_COLOR": "1",
    "PIP_NO_INPUT": "1",
    "PIP_USER": "0",  # in pip's configuration, it would lead packages out of the overlay
    "PYTHONPATH": "",  # [env] or an activation script may set it for what the user runs
}
# These would lead packages out of the overlay, or others into it.
_DIVERSIONS = ("DRY_RUN", "EDITABLE", "PREFIX", "PYTHON", "REQUIRE_HASHES", "REQUIREMENT", "ROOT", "TARGET")


class InstallError(DevpyError):
    """A package cannot be built, or pip has ended with an error.

    :param output: what was printed
    """

    def __init__(self, problem: str, mend: str, output: str = "") -> None:
        super().__init__(problem, mend)
        self.output = output

    def __str__(self) -> str:
        shown = "".join(f"\n    {line}" for line in self.output.rstrip().splitlines())
        return f"{self.problem}{':' if shown else ''}{shown}\n  {self.mend}"


def command(python: str, *arguments: str, writes_bytecode: bool) -> list[str]:
    """Return the command that runs the pip that a Python has, whatever PYTHONPATH and the current folder hold.

    :param python: absolute
    :param arguments: pip's command and its arguments
    :param writes_bytecode: whether Python may write bytecode; PYTHONDONTWRITEBYTECODE does not count then
    """
    return [python, "-Iu" if writes_bytecode else "-IuB", "-m", "pip", *arguments]


def without_diversions(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's environment variables without those that make pip install something else or elsewhere.

    Build backends do not get PYTHONPATH, either: it is there for what the user runs.
    """
    diversions = {"PYTHONPATH", *(f"PIP_{name}" for name in _DIVERSIONS)}
    return {name: value for name, value in environ.items() if name not in diversions}


class Pip(NamedTuple):
    """The pip of an overlay."""

    environment: Environment
    base: str
    """The prefix of the conda environment that pip comes from, absolute."""
    progress: Progress
    verbose: bool
    """Whether everything that pip prints goes to stderr as it comes."""

    @property
    def search_path(self) -> str:
        """The PATH that it has, apart from what activation scripts add."""
        activation = self.environment.activation
        path = activation.exports.get("PATH", activation.caller.get("PATH", os.defpath))
        return os.pathsep.join([*self.environment.first_on_path, path])

    def run(self, arguments: list[str], task: str) -> None:
        """Run `pip ARGUMENTS`.

        :param arguments: the command and its arguments
        :param task: what this is for, as in "installing api-service"
        :raises InstallError: if pip fails, with its output and, where that tells, the package at fault
        """
        import subprocess

        python = os.path.join(self.environment.venv, "bin", "python")
        writes_bytecode = not self.environment.activation.caller.get("PYTHONDONTWRITEBYTECODE")
        pip = command(python, *arguments, writes_bytecode=writes_bytecode)
        argv, environ = self.environment.prepare(pip, extra=_SETTINGS)
        printed: list[str] = []
        package = ""
        with subprocess.Popen(
            argv,
            env=environ,
            cwd=self.environment.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            pass_fds=held(),
        ) as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            try:
                for line in process.stdout:
                    printed.append(line)
                    package = _package(line) or package
                    self._show(line, f"{task} {package}" if package and package not in task else task)
            except BaseException:  # Ctrl-C goes to pip as well, which then puts back what it has changed: wait for that
                process.wait()
                raise
        self.progress.done()
        if process.returncode != 0:
            raise self._failure(task, package, "".join(printed))

    def _show(self, line: str, doing: str) -> None:
        if self.verbose and sys.stderr is not None:
            print(line, end="", file=sys.stderr, flush=True)
        else:
            self.progress.live(doing)

    def _failure(self, task: str, package: str, output: str) -> InstallError:
        if "No module named pip" in output:
            return InstallError(f"{task}: {self.base} has no pip", conda_install(self.base, "pip"))
        failed = _FAILED.search(output)
        at_fault = failed["name"] if failed else package
        what = f"{task} {at_fault}" if at_fault and at_fault not in task else task
        return InstallError(f"{what} failed", "mend that, then: devpy update-editables", "" if self.verbose else output)


def _package(line: str) -> str | None:
    """Return the package that pip turns to, if a line of its output says so."""
    from urllib.parse import unquote, urlsplit

    obtaining = _OBTAINING.match(line)
    if obtaining:
        return os.path.basename(unquote(urlsplit(obtaining["url"]).path).rstrip("/"))
    building = _BUILDING.match(line)
    return building["name"] if building else None
