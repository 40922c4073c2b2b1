"""The run cache: what devpy found out in a worktree's last run, so that the next run need not work it out again.

Running a command needs to know much that hardly ever changes: what devpy.toml says, whether the overlay is current, how
conda is configured. The run cache holds these answers, and their evidence: every look at a file or variable that they
were drawn from, as `observations` has noted it. It is valid as long as all looks show the same. If it is not valid, or
not there, the answers are worked out anew.

A worktree has several run caches, since callers' variables differ: a shell with an active environment, one without, an
IDE. One more file lists the variables that have ever mattered. Their values tell which cache is a caller's.

Every command reads a run cache, so the format needs no parser, and this module imports nothing but os.
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
"""How the names of the files begin; unchanged, so that `forget` finds the files of earlier versions."""

_VARIABLES = f"{_FILE_NAME}variables"
_MOST_CACHES = 16
_PRIME = 10**18 + 9
_SEPARATOR = "\0"
_SEPARATOR_IN_GAP = "//"


class Evidence:
    """What answers were drawn from.

    :param variables: the values of those of the caller's variables that matter; None for one that was not set
    :param looks: for each of `files.LOOKS`, by its name, the paths that were looked at and what it has shown of them
    :param gaps: for each folder in which something is missing, what `format_gap` returned
    """

    __slots__ = ("gaps", "looks", "variables")

    def __init__(
        self, variables: dict[str, str | None], looks: dict[str, dict[str, str]], gaps: dict[str, str]
    ) -> None:
        self.variables = variables
        self.looks = looks
        self.gaps = gaps

    def holds(self, environ: Mapping[str, str]) -> bool:
        """Tell whether everything is unchanged."""
        return (
            all(environ.get(name) == value for name, value in self.variables.items())
            and all(look(path) == text for look in files.LOOKS for path, text in self.looks[look.__name__].items())
            and all(_is_gap(folder, text) for folder, text in self.gaps.items())
        )


class RunCache:
    """The answers of a run, with their evidence.

    :param root: the worktree root, absolute
    :param config: the file that declares everything, absolute
    :param venv: the overlay, absolute
    :param base: the prefix of the conda environment, absolute
    :param variables: those that are set after the activation
    :param settings: conda's
    :param evidence: what the answers were drawn from; None if a change could go unnoticed
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
        """Tell whether everything that the answers were drawn from is unchanged."""
        return self.evidence is not None and self.evidence.holds(environ)


def serves(root: str, folder: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a run cache is of use to a command: relative entries of PYTHONPATH start from where that runs.

    :param root: the worktree root, absolute, where the command runs that a cache is written for
    :param folder: where the command at hand runs, absolute
    :param environ: the caller's environment variables
    """
    return folder == root or not environ.get("PYTHONPATH")


def format_gap(state: str, names: list[str]) -> str:
    """Return what `Evidence.gaps` says of a folder.

    :param state: the folder's state before the look at what is missing in it; empty if the state tells nothing
    :param names: what is missing in it
    """
    return _SEPARATOR_IN_GAP.join([state, *names])


def _is_gap(folder: str, text: str) -> bool:
    state, *names = text.split(_SEPARATOR_IN_GAP)
    return files.state(folder) == state or not any(os.path.lexists(f"{folder}/{name}") for name in names)


def read(root: str, environ: Mapping[str, str]) -> RunCache | None:
    """Return the caller's run cache of the worktree at `root`, or None if this devpy can read none.

    :param root: the worktree root, absolute
    :param environ: the caller's environment variables, which also say where the run caches are
    """
    try:
        folder = _folder(root, environ)
        cache = _parse(read_fields(_path(folder, _distinguishing_variables(folder), environ)))
    except (OSError, ValueError, IndexError):
        return None
    return cache if cache is not None and cache.root == root else None


def write(cache: RunCache, environ: Mapping[str, str]) -> None:
    """Keep a run cache, unless it is no longer valid or there is no place to keep it.

    :param environ: the caller's environment variables, which also say where the run caches are
    """
    from devpy_virtualenv_plugin.record import replace_file

    if cache.evidence is None or not cache.holds(environ):
        return
    suffix = str(os.getpid())
    try:
        folder = _folder(cache.root, environ)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        listed = _distinguishing_variables(folder)
        variables = sorted({*listed, *cache.evidence.variables})
        if variables != listed:  # most callers are now told apart otherwise, and get new caches
            replace_file(f"{folder}/{_VARIABLES}", _SEPARATOR.join([__version__, *variables, "end"]), suffix)
        replace_file(_path(folder, variables, environ), _format(cache, cache.evidence), suffix)
        _remove_oldest(folder)
    except (OSError, ValueError):
        return  # such as with a read-only home: the next run works everything out again


def forget(root: str, environ: Mapping[str, str]) -> None:
    """Remove the run caches of the worktree at `root`, and the folders that are empty then.

    :param root: the worktree root, absolute
    :param environ: the caller's environment variables, which say where the run caches are
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
        return  # no cache, a read-only home, or a folder with the caches of a worktree inside this one


def _folder(root: str, environ: Mapping[str, str]) -> str:
    """Return the folder of a worktree's run caches: in the user's cache, since the overlay can be anywhere.

    :raises ValueError: if the variables name no absolute folder
    """
    home = environ.get("HOME") or os.path.expanduser("~")
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    if not os.path.isabs(cache):
        raise ValueError(cache)
    return os.path.join(cache, "devpy", "runs", root.lstrip("/"))


def _path(folder: str, variables: list[str], environ: Mapping[str, str]) -> str:
    """Return the path of a caller's run cache.

    :param variables: the names of the variables whose values tell callers apart
    """
    values = _SEPARATOR.join([f"{name}={environ[name]}" for name in variables if name in environ])
    # A hash of the text. Python's own hash differs from process to process, and importing hashlib takes long.
    return f"{folder}/{_FILE_NAME}{int.from_bytes(os.fsencode(values), 'big') % _PRIME}"


def _distinguishing_variables(folder: str) -> list[str]:
    """Return the names of the variables that tell callers apart, so far as earlier runs have shown."""
    try:
        version, *names, end = read_fields(f"{folder}/{_VARIABLES}")
    except (OSError, ValueError):
        return []
    return names if (version, end) == (__version__, "end") else []


def _remove_oldest(folder: str) -> None:
    """Keep the caches that were written last, enough for the callers that take turns in a worktree."""
    caches = [entry for entry in os.scandir(folder) if entry.name.startswith(_FILE_NAME) and entry.name != _VARIABLES]
    for entry in sorted(caches, key=lambda entry: entry.stat().st_mtime_ns)[:-_MOST_CACHES]:
        os.unlink(entry.path)


def _format(cache: RunCache, evidence: Evidence) -> str:
    settings = cache.settings
    fields = [__version__, cache.root, cache.config, cache.venv, cache.base, settings.root_prefix or ""]
    fields += [settings.env_prompt, str(settings.auto_stack)]
    fields += [str(int(settings.changeps1)), str(int(settings.envvars_force_uppercase))]
    are_set = {name: value for name, value in evidence.variables.items() if value is not None}
    are_unset = {name: "" for name, value in evidence.variables.items() if value is None}
    looks = (evidence.looks[look.__name__] for look in files.LOOKS)
    for section in (cache.variables, are_set, are_unset, evidence.gaps, *looks):
        fields += _section(section)
    return _SEPARATOR.join([*fields, "end"])


def _section(mapping: dict[str, str]) -> Iterable[str]:
    return [str(len(mapping)), *(word for pair in mapping.items() for word in pair)]


def _parse(fields: list[str]) -> RunCache | None:
    """Make a run cache of its fields; None if another devpy wrote them or they are incomplete.

    :raises ValueError, IndexError: if they are not what `_format` returns
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
    variables, are_set, are_unset, gaps, *look_sections = sections
    looks = {look.__name__: section for look, section in zip(files.LOOKS, look_sections)}
    evidence = Evidence({**are_set, **dict.fromkeys(are_unset)}, looks, gaps)
    return RunCache(root, config, venv, base, variables, settings, evidence)
