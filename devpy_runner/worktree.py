"""Finding the root of the git worktree that a folder lies in."""

from __future__ import annotations

import os

from devpy_pip_guard import is_inside
from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import exists, git_dir, is_dir, is_file, note_read, real_path, with_parents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REDIRECTIONS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM")
"""With one of these set, only git itself can tell where the worktree is, unless it has set GIT_DIR for a hook."""

LOCATIONS = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)
"""By these git tells a hook in which repository it runs: of another repository, they say what is not so."""

_OTHER_MARKS = (".hg", ".jj", ".sl")
"""What stands at the root of a working copy of Mercurial, Jujutsu or Sapling."""

_CONFIG = "devpy.toml"
"""As `devpy_pip_guard.config` has it: to import that takes longer than a command may."""


def current_folder() -> str:
    """Return the current folder, absolute.

    :raises DevpyError: if it has been removed
    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise DevpyError("the current folder no longer exists", "cd to one that does") from None


def current_root(environ: Mapping[str, str]) -> str:
    """Return the root of the worktree that devpy was started in, absolute, and warn of what is not used there.

    :param environ: the caller's environment variables
    :raises DevpyError: if there is none
    """
    folder = current_folder()
    root = find_root(folder, environ)
    for config in _configs_inside(root, folder):
        from devpy_virtualenv_plugin.mends import command

        from .messages import tell

        init = command("git", "init", os.path.dirname(config))
        mend = f"if it is to count, give its folder a repository of its own: {init}"
        tell(f"warning: {config} is not used: the worktree around it is {root}\n  {mend}")
    return root


def find_root(folder: str, environ: Mapping[str, str]) -> str:
    """Return the worktree root, absolute and without symlinks, as `git rev-parse --show-toplevel` prints it.

    Git is started only where its environment variables or its configuration may move the root. Where there is no git
    worktree, the root is that of another working copy, or else the nearest folder with a devpy.toml.

    :param folder: where to start, absolute
    :param environ: the caller's environment variables
    :raises DevpyError: if there is no root, or git refuses to tell it
    """
    real_folder = real_path(folder)
    root, git_folder = _working_copy(real_folder)
    redirections = [name for name in _REDIRECTIONS if name in environ]
    if redirections and not (redirections == ["GIT_DIR"] and _is_hooks_git_dir(git_folder, folder, environ["GIT_DIR"])):
        return _ask_git(folder, os.environ)
    if git_folder and (_may_move_root(git_folder) or is_inside(real_folder, os.path.join(root, ".git"))):
        return _ask_git(folder, without_locations(os.environ))  # git does not count its folder as part of the worktree
    root = root or next(map(os.path.dirname, _configs_inside(os.sep, real_folder)), "")
    if not root:
        raise _outside_error(folder)
    return root


def without_locations(environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables without those by which git tells a hook in which repository it runs."""
    return {name: value for name, value in environ.items() if name not in LOCATIONS}


def find_other_worktree(folder: str, root: str, environ: Mapping[str, str]) -> str | None:
    """Return the root of another worktree around a folder whose code must not run in this one, or None.

    It must not if it is a sibling's, or that of another repository which has a devpy.toml.

    :param folder: absolute
    :param root: the root of this worktree, absolute
    :param environ: the caller's environment variables
    """
    from devpy_pip_guard.worktrees import find_sibling, own_roots  # not at the top: few commands need it

    pair = find_sibling(folder, own_roots(root))
    if pair is not None:
        return pair[1]
    elsewhere = {name: environ[name] for name in _REDIRECTIONS if name in environ and name not in LOCATIONS}
    try:
        around = find_root(folder, elsewhere)
    except DevpyError:
        return None
    return around if around != root and exists(os.path.join(around, _CONFIG)) else None


def is_managed_elsewhere(other_root: str, root: str) -> bool:
    """Tell whether another worktree is a sibling of this one, or has a devpy.toml.

    :param other_root: the root of the other worktree, absolute
    :param root: the root of this worktree, absolute
    """
    from devpy_pip_guard.worktrees import is_same_repository

    return is_same_repository(root, other_root) or exists(os.path.join(other_root, _CONFIG))


def _working_copy(folder: str) -> tuple[str, str]:
    """Return the root of the innermost working copy around a folder, and git's folder for it; empty for none.

    :param folder: a real path
    """
    for parent in with_parents(folder):
        git_folder = git_dir(parent)
        if git_folder or any(is_dir(os.path.join(parent, mark)) for mark in _OTHER_MARKS):
            return parent, git_folder
    return "", ""


def _configs_inside(root: str, folder: str) -> Iterator[str]:
    """Yield each devpy.toml between a folder and the root around it, without the root's own; the nearest first.

    :param root: a real path
    :param folder: a real path
    """
    for parent in with_parents(folder):
        if parent == root:
            return
        config = os.path.join(parent, _CONFIG)
        if is_file(config):
            yield config


def _is_hooks_git_dir(git_folder: str, folder: str, given: str) -> bool:
    """Tell whether GIT_DIR is what git sets it to in the hooks of a linked worktree.

    It does so without GIT_WORK_TREE, and would itself take any folder for the root there.

    :param git_folder: git's folder for the worktree around the current folder; empty if there is none
    :param folder: the current folder, absolute
    :param given: the value of GIT_DIR
    """
    return bool(git_folder) and real_path(git_folder) == real_path(os.path.join(folder, given))


def _may_move_root(git_folder: str) -> bool:
    """Tell whether the repository's configuration may say that the worktree is elsewhere, or that there is none.

    A linked worktree has a place of its own, whatever the configuration says that it shares.
    """
    if is_file(os.path.join(git_folder, "commondir")):
        return False
    settings = _git_settings(os.path.join(git_folder, "config"))
    if settings is not None and "extensions.worktreeconfig" in settings:
        own = _git_settings(os.path.join(git_folder, "config.worktree"))
        settings = None if own is None else {**settings, **own}
    if settings is None:
        return True
    is_bare = settings.get("core.bare", "false") not in ("false", "no", "off", "0")
    return is_bare or not settings.keys().isdisjoint(("core.worktree", "include.path", "includeif.path"))


def _git_settings(config: str) -> dict[str, str] | None:
    """Return what a git configuration sets, keys and values in lower case and sections without their second part.

    What is taken apart by hand is not always as git has it; where it matters, git is asked.

    :return: nothing for a file that is not there; None for one that cannot be read
    """
    note_read(config)
    try:
        with open(config, encoding="utf-8", errors="replace") as stream:
            lines = stream.read().lower().splitlines()
    except FileNotFoundError:
        return {}
    except OSError:
        return None
    settings, section = {}, ""
    for line in map(str.strip, lines):
        if line.startswith("["):
            header, _, line = line[1:].partition("]")
            section = header.strip().partition(" ")[0]
        name, _, value = line.partition("=")
        settings[f"{section}.{name.strip()}"] = value.strip()
    return settings


def _ask_git(folder: str, environ: Mapping[str, str]) -> str:
    """Return what git says.

    :raises DevpyError: with git's own words, if it refuses
    """
    import subprocess

    from devpy_virtualenv_plugin.mends import command

    question = ["git", "rev-parse", "--show-toplevel"]
    try:
        answer = subprocess.run(question, cwd=folder, env={**environ, "LC_ALL": "C"}, capture_output=True, check=False)
    except FileNotFoundError:
        raise DevpyError("git: command not found", "install git, or unset " + ", ".join(_REDIRECTIONS)) from None
    if answer.returncode == 0:
        return os.fsdecode(answer.stdout[:-1])  # the path may itself end in white space; the final newline is git's
    lines = [line.strip() for line in os.fsdecode(answer.stderr).splitlines() if line.strip()]
    problem = lines[0].replace("fatal: ", "", 1) if lines else ""
    if not problem or problem.startswith(("not a git repository", "this operation must be run in a work tree")):
        raise _outside_error(folder)
    mend = lines[-1] if len(lines) > 1 else f"see what git says: {command('git', '-C', folder, 'status')}"
    raise DevpyError(f"{folder}: git: {problem}", mend)


def _outside_error(folder: str) -> DevpyError:
    return DevpyError("not inside a git worktree: " + folder, "cd into one, or make one with `git init`")
