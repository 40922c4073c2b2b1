"""Building editables with the backends that overlay and base have, and installing their wheels, without pip."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

from devpy_pip_guard import distributions
from devpy_pip_guard.config import PIP
from devpy_virtualenv_plugin.layout import site_packages
from devpy_virtualenv_plugin.lock import held

from . import builder, wheels
from .backends import Backend, backend_of
from .pip import InstallError
from .requirements import installed_versions, unmet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devpy_pip_guard.config import Config
    from devpy_virtualenv_plugin.record import Record

    from .pip import Pip

_PIP_VARIABLES = ("PIP_BUILD_CONSTRAINT", "PIP_CONFIG_SETTINGS", "PIP_GLOBAL_OPTION", "PIP_NO_BUILD_ISOLATION")
_PROGRAM = os.path.abspath(builder.__file__)


class Built(NamedTuple):
    """What has become of a package; exactly one of the texts is not empty."""

    path: str
    """The package's folder, absolute."""
    wheel: str = ""
    """The wheel, absolute."""
    missing: str = ""
    """What the build would have needed."""
    failure: str = ""
    """How the build has failed."""
    output: str = ""
    """What the backend has printed."""


def install(paths: list[str], config: Config, recorded: Record, pip: Pip) -> list[str]:
    """Install the packages whose build requirements overlay and base meet. All are built before the first is installed.

    :param paths: the folders of the packages, absolute
    :param config: from devpy.toml
    :param recorded: the overlay's record
    :param pip: that of the overlay
    :return: those of the packages that have not been installed, since something is missing for their builds
    :raises InstallError: if a backend fails, with what it has printed
    """
    if config.installer == PIP or _is_told_how(pip.environment.activation.caller):
        return paths
    folders = [site_packages(prefix, recorded.python) for prefix in (config.venv, recorded.base)]
    tasks, left = _tasks(paths, folders, recorded.python, pip)
    if not tasks:
        return left
    with tempfile.TemporaryDirectory(prefix="devpy-builds-") as folder:
        results = []
        for result in _build(tasks, folder, pip):
            results.append(result)
            pip.progress.live(f"building {len(results)}/{len(tasks)} {os.path.basename(result.path)}")
            if pip.verbose:
                pip.progress.note(
                    f"{result.path}: {result.failure or result.missing or 'built'}\n{result.output}".rstrip()
                )
        pip.progress.done()
        failed = next((result for result in results if result.failure), None)
        if failed is not None:
            raise _failure(failed, pip)
        for result in sorted(results, key=lambda result: paths.index(result.path)):
            if result.wheel:
                _install_wheel(result, config, folders[0])
    return [*left, *(result.path for result in results if result.missing)]


def _install_wheel(result: Built, config: Config, site_packages: str) -> None:
    try:
        wheels.install(result.wheel, result.path, config.venv, site_packages)
    except (ValueError, KeyError, BadZipFile) as error:
        name = os.path.basename(result.wheel)
        problem = f"the backend of {result.path} has built {name}, which is no sound wheel: {error}"
        raise InstallError(problem, 'upgrade that, or write installer = "pip" under [editables]') from error


def _is_told_how(environ: Mapping[str, str]) -> bool:
    """Tell whether the user has told pip how to build packages, by variables that only pip understands."""
    return any(name in environ for name in _PIP_VARIABLES)


def _tasks(paths: list[str], folders: list[str], python: str, pip: Pip) -> tuple[dict[str, Backend], list[str]]:
    """Return the backend of each package that can be built right here, and the other packages.

    :param folders: the site-packages of overlay and base, absolute
    :param python: as the overlay's record has it
    """
    versions = installed_versions(folders)
    version = python[len("python") :].rstrip("t")
    links = [path for _, path in distributions.metadata(folders[0]) if path.endswith(distributions.EGG_LINK)]
    developed = list(map(distributions.project_folder, links))
    tasks, left = {}, []
    for path in paths:
        backend = backend_of(path)
        # meson-python has to be told to forget a build environment that is gone, and what `setup.py develop` has
        # installed lists no files.
        if backend.is_meson_python or path in developed:
            left.append(path)
            continue
        missing = [text for text in backend.requires if unmet(text, versions, version)]
        if missing and pip.verbose:
            pip.progress.note(f"{path}: built in isolation, since the base lacks {', '.join(missing)}")
        if missing:
            left.append(path)
        else:
            tasks[path] = backend
    return tasks, left


def _build(tasks: Mapping[str, Backend], folder: str, pip: Pip) -> Iterator[Built]:
    """Yield what has become of each package, as soon as it is known."""
    names = {str(number): path for number, path in enumerate(tasks)}
    wanted = [{"name": name, "path": path, **tasks[path].as_task()} for name, path in names.items()]
    python = os.path.join(pip.environment.venv, "bin", "python")
    argv, environ = pip.environment.prepare([python, _PROGRAM, folder], extra={"PYTHONPATH": ""})
    with open(os.path.join(folder, "errors"), "w+b") as errors, subprocess.Popen(
        argv, env=environ, cwd=pip.environment.cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
        start_new_session=True, pass_fds=held(),
    ) as process:  # fmt: skip
        assert process.stdin is not None  # noqa: S101 - they are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(wanted).encode())
                process.stdin.close()
            for line in process.stdout:
                if not line.startswith(b"{"):  # what start-up files print
                    continue
                answer = json.loads(line)
                path = names.pop(answer["name"])
                yield _built(path, answer, os.path.join(folder, f"{answer['name']}.out"))
        except BaseException:  # Ctrl-C, which does not reach another session
            os.killpg(process.pid, signal.SIGKILL)
            raise
        process.wait()
        errors.seek(0)
        output = errors.read().decode("utf-8", "replace")
    for path in names.values():
        yield Built(path, failure="has not been built", output=output)


def _built(path: str, answer: dict[str, Any], out: str) -> Built:
    with suppress(FileNotFoundError), open(out, encoding="utf-8", errors="replace") as stream:
        return Built(path, answer.get("wheel", ""), answer.get("missing", ""), answer.get("failed", ""), stream.read())
    return Built(path, failure="could not be started")


def _failure(result: Built, pip: Pip) -> InstallError:
    problem = f"building {result.path} {result.failure}"
    return InstallError(problem, "mend that, then: devpy update-editables", "" if pip.verbose else result.output)
