"""What devpy remembers of its last run in a worktree, so that the next one need not work it out again.

Running a command asks for much that hardly ever changes: what devpy.toml says, whether the overlay is current, how
conda is configured. The record holds the answers, and the state of every file and variable they were drawn from. It
holds as long as all of these are as they were; otherwise, or without a record, the answers are worked out anew.

It is on the path of every command, so it reads a format that needs no parser and imports nothing but os.
"""

from __future__ import annotations

import os

from devpy_pip_guard import read_fields
from devpy_virtualenv_plugin import __version__

from ..activate.activation import CondaSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FILE_NAME = "run-record-"
_SEPARATOR = "\0"
_ABSENT = "-"
_YOUNG_SECONDS = 2.0
"""A file that changed this recently may change again without its time telling."""


class RunRecord:
    """The answers, and what they were drawn from.

    :param root: the worktree root, absolute
    :param config: the file that declares everything, absolute
    :param venv: the overlay, absolute
    :param base: the prefix of the conda environment, absolute
    :param variables: what is set after activation
    :param settings: conda's
    :param callers: the values that the caller's variables had, those that matter; None for one that was not set
    :param unchanged: for each file or folder that must not have been changed, what `state` gave
    :param same: for each file or folder that must be the same one, changed or not, what `identity` gave
    """

    __slots__ = ("base", "callers", "config", "root", "same", "settings", "unchanged", "variables", "venv")

    def __init__(
        self,
        root: str,
        config: str,
        venv: str,
        base: str,
        variables: dict[str, str],
        settings: CondaSettings,
        callers: dict[str, str | None],
        unchanged: dict[str, str],
        same: dict[str, str],
    ) -> None:
        self.root = root
        self.config = config
        self.venv = venv
        self.base = base
        self.variables = variables
        self.settings = settings
        self.callers = callers
        self.unchanged = unchanged
        self.same = same

    def holds(self, environ: Mapping[str, str]) -> bool:
        """Tell whether everything that the answers were drawn from is as it was."""
        return (
            all(environ.get(name) == value for name, value in self.callers.items())
            and all(state(path) == was for path, was in self.unchanged.items())
            and all(identity(path) == was for path, was in self.same.items())
        )


def state(path: str) -> str:
    """Return a text that is another one after any change to a file, or to the list of what is in a folder."""
    try:
        status = os.stat(path)
    except OSError:
        return _ABSENT
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def identity(path: str) -> str:
    """Return a text that tells which file or folder is at a path."""
    try:
        status = os.stat(path)
    except OSError:
        return _ABSENT
    return f"{status.st_dev} {status.st_ino}"


def read(root: str, environ: Mapping[str, str]) -> RunRecord | None:
    """Return the record of the worktree at `root`, or None if there is none that this devpy can read.

    :param root: the worktree root, absolute
    :param environ: the caller's environment variables, which say where the record is
    """
    try:
        found = _parse(read_fields(_path(root, environ)))
    except (OSError, ValueError, IndexError):
        return None
    return found if found is not None and found.root == root else None


def write(record: RunRecord, environ: Mapping[str, str]) -> None:
    """Keep a record, unless one of its files has changed a moment ago or there is no place to keep it.

    :param environ: the caller's environment variables, which say where the record goes
    """
    from time import time

    from devpy_virtualenv_plugin.record import replace_file

    latest = max((_changed_ns(path) for path in record.unchanged), default=0)
    if latest > (time() - _YOUNG_SECONDS) * 1e9:
        return
    try:
        path = _path(record.root, environ)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        replace_file(path, _format(record), suffix=str(os.getpid()))
    except (OSError, ValueError):
        return  # a read-only home: the next run works it all out again


def forget(root: str, environ: Mapping[str, str]) -> None:
    """Remove the records of the worktree at `root`, and the folders that they leave empty.

    :param root: the worktree root, absolute
    :param environ: the caller's environment variables, which say where the records are
    """
    try:
        folder = os.path.dirname(_path(root, environ))
        for entry in list(os.scandir(folder)):
            if entry.name.startswith(_FILE_NAME) and not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
        for _ in filter(None, root.split("/")):
            os.rmdir(folder)
            folder = os.path.dirname(folder)
    except (OSError, ValueError):
        return  # none there, a read-only home, or a folder with the records of a worktree inside this one


def _path(root: str, environ: Mapping[str, str]) -> str:
    """Return where the record of a worktree is: in the user's cache, since devpy.toml may put the overlay anywhere.

    :raises ValueError: if the variables name no absolute place
    """
    home = environ.get("HOME") or os.path.expanduser("~")
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    if not os.path.isabs(cache):
        raise ValueError(cache)
    # Callers with other environments, such as a shell with an active one and an IDE, take turns without a loss.
    slot = sum(os.fsencode(environ.get("PATH", "") + environ.get("CONDA_PREFIX", ""))) % 16
    return os.path.join(cache, "devpy", "runs", root.lstrip("/"), f"{_FILE_NAME}{slot}")


def _changed_ns(path: str) -> int:
    try:
        return os.stat(path).st_ctime_ns
    except OSError:
        return 0


def _format(record: RunRecord) -> str:
    settings = record.settings
    fields = [__version__, record.root, record.config, record.venv, record.base, settings.root_prefix or ""]
    fields += [settings.env_prompt, str(settings.auto_stack)]
    fields += [str(int(settings.changeps1)), str(int(settings.envvars_force_uppercase))]
    set_callers = {name: value for name, value in record.callers.items() if value is not None}
    fields += _section(set_callers)
    fields += _section({name: "" for name, value in record.callers.items() if value is None})
    for section in (record.variables, record.unchanged, record.same):
        fields += _section(section)
    return _SEPARATOR.join([*fields, "end"])


def _section(mapping: dict[str, str]) -> Iterable[str]:
    return [str(len(mapping)), *(word for pair in mapping.items() for word in pair)]


def _parse(fields: list[str]) -> RunRecord | None:
    """Make a record of its fields.

    :raises ValueError, IndexError: if it is not what `_format` gives
    """
    if fields[0] != __version__ or fields[-1] != "end":
        return None
    _, root, config, venv, base, root_prefix, env_prompt, auto_stack, changeps1, uppercase = fields[:10]
    settings = CondaSettings(root_prefix or None, [], changeps1 == "1", env_prompt, int(auto_stack), uppercase == "1")
    sections = []
    start = 10
    for _ in range(5):
        end = start + 1 + 2 * int(fields[start])
        sections.append(dict(zip(fields[start + 1 : end : 2], fields[start + 2 : end : 2])))
        start = end
    if start != len(fields) - 1:
        return None
    set_callers, unset_callers, variables, unchanged, same = sections
    callers = {**set_callers, **dict.fromkeys(unset_callers)}
    return RunRecord(root, config, venv, base, variables, settings, callers, unchanged, same)
