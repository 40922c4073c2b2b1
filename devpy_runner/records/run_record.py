"""What devpy remembers of its last run in a worktree, so that the next one need not work it out again.

Running a command asks for much that hardly ever changes: what devpy.toml says, whether the overlay is current, how
conda is configured. The record holds the answers, and every look at a file or variable that they were drawn from, as
`observations` has noted it. It holds as long as all looks show the same; otherwise, or without a record, the answers
are worked out anew.

A worktree has several records, for callers whose variables differ: a shell with an active environment, another one,
an IDE. A file of its own names the variables that have ever mattered, and their values tell which record is a caller's.

It is on the path of every command, so it reads a format that needs no parser and imports nothing but os.
"""

from __future__ import annotations

import os

from devpy_pip_guard import files, read_fields
from devpy_virtualenv_plugin import __version__

from ..activate.activation import CondaSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FILE_NAME = "run-record-"
_VARIABLES = f"{_FILE_NAME}variables"
_MOST_RECORDS = 16
_PRIME = 10**18 + 9
_SEPARATOR = "\0"
_SEPARATOR_IN_GAP = "//"


class Evidence:
    """What answers were drawn from.

    :param variables: the values that the caller's variables had, those that matter; None for one that was not set
    :param looks: by the name of each of `files.LOOKS`, what it has shown of which paths
    :param gaps: for each folder in which something is missing, what `format_gap` gave
    """

    __slots__ = ("gaps", "looks", "variables")

    def __init__(
        self, variables: dict[str, str | None], looks: dict[str, dict[str, str]], gaps: dict[str, str]
    ) -> None:
        self.variables = variables
        self.looks = looks
        self.gaps = gaps

    def holds(self, environ: Mapping[str, str]) -> bool:
        """Tell whether everything is as it was."""
        return (
            all(environ.get(name) == value for name, value in self.variables.items())
            and all(look(path) == text for look in files.LOOKS for path, text in self.looks[look.__name__].items())
            and all(_is_gap(folder, text) for folder, text in self.gaps.items())
        )


class RunRecord:
    """The answers, and what they were drawn from.

    :param root: the worktree root, absolute
    :param config: the file that declares everything, absolute
    :param venv: the overlay, absolute
    :param base: the prefix of the conda environment, absolute
    :param variables: what is set after activation
    :param settings: conda's
    :param evidence: what all of that was drawn from; None if it cannot be told
    """

    __slots__ = ("base", "config", "evidence", "root", "settings", "variables", "venv")

    def __init__(
        self,
        root: str,
        config: str,
        venv: str,
        base: str,
        variables: dict[str, str],
        settings: CondaSettings,
        evidence: Evidence | None,
    ) -> None:
        self.root = root
        self.config = config
        self.venv = venv
        self.base = base
        self.variables = variables
        self.settings = settings
        self.evidence = evidence

    def holds(self, environ: Mapping[str, str]) -> bool:
        """Tell whether everything that the answers were drawn from is as it was."""
        return self.evidence is not None and self.evidence.holds(environ)


def format_gap(state: str, names: list[str]) -> str:
    """Return what `Evidence.gaps` says of a folder.

    :param state: its state before the look at what is missing in it; empty if that tells nothing
    :param names: of what is missing in it
    """
    return _SEPARATOR_IN_GAP.join([state, *names])


def _is_gap(folder: str, text: str) -> bool:
    state, *names = text.split(_SEPARATOR_IN_GAP)
    return files.state(folder) == state or not any(os.path.lexists(f"{folder}/{name}") for name in names)


def read(root: str, environ: Mapping[str, str]) -> RunRecord | None:
    """Return the caller's record of the worktree at `root`, or None if there is none that this devpy can read.

    :param root: the worktree root, absolute
    :param environ: the caller's environment variables, which also say where the records are
    """
    try:
        folder = _folder(root, environ)
        found = _parse(read_fields(_path(folder, _known_variables(folder), environ)))
    except (OSError, ValueError, IndexError):
        return None
    return found if found is not None and found.root == root else None


def write(record: RunRecord, environ: Mapping[str, str]) -> None:
    """Keep a record, unless something has changed since it was drawn up or there is no place to keep it.

    :param environ: the caller's environment variables, which also say where the record goes
    """
    from devpy_virtualenv_plugin.record import replace_file

    if record.evidence is None or not record.holds(environ):
        return
    suffix = str(os.getpid())
    try:
        folder = _folder(record.root, environ)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        known = _known_variables(folder)
        variables = sorted({*known, *record.evidence.variables})
        if variables != known:  # which makes most callers' records others than before: they are drawn up anew
            replace_file(f"{folder}/{_VARIABLES}", _SEPARATOR.join([__version__, *variables, "end"]), suffix)
        replace_file(_path(folder, variables, environ), _format(record, record.evidence), suffix)
        _remove_oldest(folder)
    except (OSError, ValueError):
        return  # a read-only home: the next run works it all out again


def forget(root: str, environ: Mapping[str, str]) -> None:
    """Remove the records of the worktree at `root`, and the folders that they leave empty.

    :param root: the worktree root, absolute
    :param environ: the caller's environment variables, which say where the records are
    """
    try:
        folder = _folder(root, environ)
        for entry in list(os.scandir(folder)):
            if entry.name.startswith(_FILE_NAME) and not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
        for _ in filter(None, root.split("/")):
            os.rmdir(folder)
            folder = os.path.dirname(folder)
    except (OSError, ValueError):
        return  # none there, a read-only home, or a folder with the records of a worktree inside this one


def _folder(root: str, environ: Mapping[str, str]) -> str:
    """Return where a worktree's records are: in the user's cache, since devpy.toml may put the overlay anywhere.

    :raises ValueError: if the variables name no absolute place
    """
    home = environ.get("HOME") or os.path.expanduser("~")
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    if not os.path.isabs(cache):
        raise ValueError(cache)
    return os.path.join(cache, "devpy", "runs", root.lstrip("/"))


def _path(folder: str, variables: list[str], environ: Mapping[str, str]) -> str:
    """Return where the record of a caller is.

    :param variables: the names of those whose values tell the callers apart
    """
    values = _SEPARATOR.join([f"{name}={environ[name]}" for name in variables if name in environ])
    # A number for the text, as any hash is: Python's own is another one in each process, and hashlib takes long.
    return f"{folder}/{_FILE_NAME}{int.from_bytes(os.fsencode(values), 'big') % _PRIME}"


def _known_variables(folder: str) -> list[str]:
    """Return the names of the variables that tell callers apart, as far as records that are there have shown."""
    try:
        version, *names, end = read_fields(f"{folder}/{_VARIABLES}")
    except (OSError, ValueError):
        return []
    return names if (version, end) == (__version__, "end") else []


def _remove_oldest(folder: str) -> None:
    """Keep as many records as callers may take turns without a loss, those that were written last."""
    records = [entry for entry in os.scandir(folder) if entry.name.startswith(_FILE_NAME) and entry.name != _VARIABLES]
    for entry in sorted(records, key=lambda entry: entry.stat().st_mtime_ns)[:-_MOST_RECORDS]:
        os.unlink(entry.path)


def _format(record: RunRecord, evidence: Evidence) -> str:
    settings = record.settings
    fields = [__version__, record.root, record.config, record.venv, record.base, settings.root_prefix or ""]
    fields += [settings.env_prompt, str(settings.auto_stack)]
    fields += [str(int(settings.changeps1)), str(int(settings.envvars_force_uppercase))]
    are_set = {name: value for name, value in evidence.variables.items() if value is not None}
    are_unset = {name: "" for name, value in evidence.variables.items() if value is None}
    looks = (evidence.looks[look.__name__] for look in files.LOOKS)
    for section in (record.variables, are_set, are_unset, evidence.gaps, *looks):
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
    for _ in range(4 + len(files.LOOKS)):
        end = start + 1 + 2 * int(fields[start])
        sections.append(dict(zip(fields[start + 1 : end : 2], fields[start + 2 : end : 2])))
        start = end
    if start != len(fields) - 1:
        return None
    variables, are_set, are_unset, gaps, *shown = sections
    looks = {look.__name__: section for look, section in zip(files.LOOKS, shown)}
    evidence = Evidence({**are_set, **dict.fromkeys(are_unset)}, looks, gaps)
    return RunRecord(root, config, venv, base, variables, settings, evidence)
