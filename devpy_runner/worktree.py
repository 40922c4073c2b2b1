"""Finding the root of the git worktree that a folder lies in."""

from __future__ import annotations

import os

from devpy_pip_guard import is_inside
from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import exists, is_dir, is_file, note_read, read_bytes, real_path, with_parents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

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
    for config in unused_configs(folder, root):
        from .messages import tell

        mend = f"if it is to count, give its folder a repository of its own: git init {os.path.dirname(config)}"
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
    root = _working_copy(folder)
    if any(name in environ for name in _REDIRECTIONS) and not _is_in_hook(root, folder, environ):
        return _ask_git(folder, os.environ)
    git_dir = _git_dir(root) if root else None
    if git_dir is not None:
        moves = _may_move_root(git_dir)
        return _ask_git(folder, without_locations(os.environ)) if moves or _is_in_git_dir(folder, root) else root
    if root:
        return root
    configured = unused_configs(folder, os.sep)
    if configured:
        return os.path.dirname(configured[0])
    raise _outside_error(folder)


def unused_configs(folder: str, root: str) -> list[str]:
    """Return each devpy.toml between a folder and the root around it, without the root's own; the nearest first.

    :param folder: absolute
    :param root: absolute, without symlinks
    """
    configs = []
    for parent in with_parents(real_path(folder)):
        if parent == root:
            break
        if is_file(os.path.join(parent, _CONFIG)):
            configs.append(os.path.join(parent, _CONFIG))
    return configs


def without_locations(environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables without those by which git tells a hook in which repository it runs."""
    return {name: value for name, value in environ.items() if name not in LOCATIONS}


def find_other_root(folder: str, root: str, environ: Mapping[str, str]) -> str | None:
    """Return the root of the worktree that a folder lies in, or None if it lies in this worktree or in none.

    :param folder: absolute
    :param root: the root of this worktree, absolute
    :param environ: the caller's environment variables
    """
    elsewhere = {name: environ[name] for name in _REDIRECTIONS if name in environ and name not in LOCATIONS}
    try:
        containing_root = find_root(folder, elsewhere)
    except DevpyError:
        return None
    return containing_root if containing_root != root else None


def is_managed_elsewhere(other_root: str, root: str) -> bool:
    """Tell whether code in another worktree must not run in this one.

    It must not if both belong to one repository, or if the other has a devpy.toml.

    :param other_root: the root of the other worktree, absolute
    :param root: the root of this worktree, absolute
    """
    return is_same_repository(root, other_root) or exists(os.path.join(other_root, "devpy.toml"))


def is_same_repository(root: str, other_root: str) -> bool:
    """Tell whether two worktrees, given by their absolute roots, belong to one repository."""
    from devpy_pip_guard.worktrees import repository  # not at the top: few commands need it

    return repository(root) == repository(other_root)


def _working_copy(folder: str) -> str:
    """Return the root of the innermost working copy of any kind around a folder, as far as files tell; else empty."""
    for parent in with_parents(real_path(folder)):
        if _git_dir(parent) is not None or any(is_dir(os.path.join(parent, mark)) for mark in _OTHER_MARKS):
            return parent
    return ""


def _git_dir(root: str) -> str | None:
    """Return git's folder for the worktree at a root, which need not be there; None if it is no git worktree."""
    dot_git = os.path.join(root, ".git")
    if is_file(os.path.join(dot_git, "HEAD")):
        return dot_git
    if not is_file(dot_git):
        return None
    line = os.fsdecode(read_bytes(dot_git)).partition("gitdir:")[2]
    return os.path.join(root, line.strip())


def _is_in_hook(root: str, folder: str, environ: Mapping[str, str]) -> bool:
    """Tell whether the variables are those that git sets in the hooks of the worktree at a root.

    In those of a linked worktree it sets GIT_DIR without GIT_WORK_TREE, and would itself take any folder for the root.
    """
    if [name for name in _REDIRECTIONS if name in environ] != ["GIT_DIR"]:
        return False
    git_dir = _git_dir(root) if root else None
    return git_dir is not None and real_path(git_dir) == real_path(os.path.join(folder, environ["GIT_DIR"]))


def _is_in_git_dir(folder: str, root: str) -> bool:
    """Tell whether a folder lies in git's own, which git does not count as part of the worktree."""
    return is_inside(real_path(folder), os.path.join(root, ".git"))


def _may_move_root(git_dir: str) -> bool:
    """Tell whether the repository's configuration may say that the worktree is elsewhere, or that there is none.

    A linked worktree has a place of its own, whatever the configuration says that it shares.
    """
    if is_file(os.path.join(git_dir, "commondir")):
        return False
    keys = _keys(os.path.join(git_dir, "config"))
    if "extensions.worktreeconfig" in keys:
        keys |= _keys(os.path.join(git_dir, "config.worktree"))
    return not keys.isdisjoint(("core.worktree", "core.bare=true", "include.path", "unreadable"))


def _keys(config: str) -> set[str]:
    """Return what a git configuration sets of what matters here, and `unreadable` if that cannot be told."""
    note_read(config)
    try:
        with open(config, "rb") as stream:
            lines = stream.read().lower().splitlines()
    except FileNotFoundError:
        return set()
    except OSError:
        return {"unreadable"}
    keys, section = set(), ""
    for line in map(bytes.strip, lines):
        if line.startswith(b"["):
            section = line[1:].partition(b"]")[0].split()[0].decode("ascii", "replace") if line[1:].strip(b"] ") else ""
            line = line.partition(b"]")[2].strip()
        name, _, value = (part.strip() for part in line.partition(b"="))
        key = f"{section.replace('includeif', 'include')}.{name.decode('ascii', 'replace')}"
        is_false = value in (b"false", b"no", b"off", b"0")
        keys.add("core.bare=true" if key == "core.bare" and not is_false else key)
    return keys


def _ask_git(folder: str, environ: Mapping[str, str]) -> str:
    """Return what git says.

    :raises DevpyError: with git's own words, if it refuses
    """
    import shlex
    import subprocess

    command = ["git", "rev-parse", "--show-toplevel"]
    try:
        done = subprocess.run(command, cwd=folder, env={**environ, "LC_ALL": "C"}, capture_output=True, check=False)
    except FileNotFoundError:
        raise DevpyError("git: command not found", "install git, or unset " + ", ".join(_REDIRECTIONS)) from None
    if done.returncode == 0:
        return os.fsdecode(done.stdout[:-1])  # the path may itself end in white space; the final newline is git's
    lines = [line.strip() for line in os.fsdecode(done.stderr).splitlines() if line.strip()]
    problem, mend = ["", *lines][min(len(lines), 1)].replace("fatal: ", "", 1), lines[-1] if lines[1:] else ""
    if not problem or problem.startswith(("not a git repository", "this operation must be run in a work tree")):
        raise _outside_error(folder)
    raise DevpyError(f"{folder}: git: {problem}", mend or f"see what git says: git -C {shlex.quote(folder)} status")


def _outside_error(folder: str) -> DevpyError:
    return DevpyError("not inside a git worktree: " + folder, "cd into one, or make one with `git init`")
