"""The one reader of devpy.toml, for the runner and, inside an overlay, for the guard.

It runs on the Python of the base, from 3.8 on, where nothing but the standard library is installed. So it imports
nothing from `devpy_runner`, and reads TOML with `tomllib`, or with the copy of tomli that is in an overlay.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NamedTuple

from .errors import DevpyError
from .files import exists, expand_user, is_dir, is_file, read_bytes, real_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    Document = dict[str, dict[str, Any]]

if sys.version_info >= (3, 11):
    import tomllib
else:
    try:
        from . import _tomli as tomllib  # type: ignore[attr-defined]  # in an overlay, where tomli's sources lie beside this file
    except ImportError:
        import tomli as tomllib

FILE_NAME = "devpy.toml"

TEMPLATE = """\
[python]
base_conda_env = "my-conda-env"

[editables]
packages = ["."]
"""

DEVPY, PIP = "devpy", "pip"

_KEYS: dict[str, set[str] | None] = {
    "devpy": {"extends", "kind"},
    "python": {"base_conda_env", "venv"},
    "editables": {"packages", "install_deps", "installer"},
    "doctor": {"skip"},
    "env": None,  # any name
}
_MISSING_MEND = "correct or remove it, add a pyproject.toml, or leave it out: devpy update-editables --missing=warn"
_TYPE_NAMES = {str: "a string", bool: "true or false", list: "a list of strings", dict: "a table"}


class Config(NamedTuple):
    """What devpy.toml says, checked; every path is absolute.

    Editable paths are real paths (no symlinks). Of `venv` only the folder it lies in is resolved, so that a symlink
    in its place can be told from a directory.
    """

    entry: str
    """The file that was asked for: a repository's devpy.toml, or a stack config."""
    file: str
    """The file that declares everything: `entry`, or the stack config it extends."""
    is_stack: bool
    """Whether `file` is a stack config, shared by several repositories."""
    base: str
    """The conda environment: a name, or the absolute path of a prefix."""
    venv: str
    """Where the overlay lies."""
    editables: list[str]
    """The folders of the declared packages, in the order they were declared."""
    declared: list[str]
    """The same folders as they were declared, symlinks and all."""
    install_deps: bool
    """Whether dependencies that the base lacks are installed into the overlay."""
    installer: str
    """What builds and installs editables: `DEVPY` or `PIP`."""
    env: dict[str, str]
    """Variables set after activation, with `{root}`, `{venv}` and `{base}` still in place."""
    skipped_checks: list[str]
    """The names of the checks that `devpy doctor` leaves out."""
    missing: tuple[str, ...] = ()
    """The folders of declared packages that are left out of `editables`, since they cannot be installed."""

    @property
    def root(self) -> str:
        """The folder of the declaring file, from which its relative paths resolve."""
        return os.path.dirname(self.file)


def load(path: str) -> Config:
    """Read and check a repository's devpy.toml or a stack config, following `extends`.

    :param path: the file; whether the declared packages exist is not looked at, see `check_editables`
    :raises DevpyError: if the file, or the stack config it points to, is missing, broken or says something unknown
    """
    path = os.path.abspath(path)
    document = _read(path)
    devpy = document.get("devpy", {})
    if "extends" not in devpy:
        return _declaration(path, path, document, is_stack="kind" in devpy)
    stack = _follow_extends(path, document)
    stack_document = _read(stack)
    stack_devpy = stack_document.get("devpy", {})
    if "extends" in stack_devpy:
        raise _wrong(
            path, "devpy.extends", devpy["extends"], "points to another pointer", "name the stack config itself"
        )
    if "kind" not in stack_devpy:
        mend = f'add [devpy] kind = "stack" to {stack}'
        raise _wrong(path, "devpy.extends", devpy["extends"], "is not a stack config", mend)
    return _declaration(path, stack, stack_document, is_stack=True)


def load_repository(path: str) -> Config:
    """Read the devpy.toml of a repository, in which `kind = "stack"` has no place.

    :param path: the devpy.toml at the worktree root
    :raises DevpyError: as `load` does, and if the file itself is a stack config
    """
    config = load(path)
    if config.is_stack and config.entry == config.file:
        mend = 'move it to a file of its own (devpy.stack.toml) and write [devpy] extends = "devpy.stack.toml" here'
        raise _wrong(config.file, "devpy.kind", "stack", f"has no place in a repository's {FILE_NAME}", mend)
    return config


def check_editables(config: Config) -> None:
    """Check that every declared package is there and can be installed.

    :raises DevpyError: with all the paths that do not exist, or have neither pyproject.toml nor setup.py
    """
    problems = {path: problem for path, problem in zip(config.editables, map(problem_of, config.editables)) if problem}
    if not problems:
        return
    path, problem = next(iter(problems.items()))
    if len(problems) == 1:
        raise _wrong(config.file, "editables.packages", path, problem, _MISSING_MEND)
    listed = "; ".join(f"{json.dumps(path, ensure_ascii=False)} {problem}" for path, problem in problems.items())
    count = f"{len(problems)} of {len(config.editables)}"
    raise DevpyError(f"{config.file}: editables.packages: {count} cannot be installed: {listed}", _MISSING_MEND)


def problem_of(path: str) -> str:
    """Return what keeps a declared package from being installed, as the end of a sentence; empty if nothing does.

    :param path: its folder, absolute
    """
    if not is_dir(path):
        return "is not a directory"
    if not any(is_file(os.path.join(path, name)) for name in ("pyproject.toml", "setup.py")):
        return "has neither pyproject.toml nor setup.py"
    return ""


def _read(path: str) -> Document:
    """Parse the file and refuse whatever has no meaning in any devpy.toml."""
    if not exists(path):
        indented = "".join("\n    " + line for line in TEMPLATE.splitlines())
        raise DevpyError(f"missing {path}", f"create it, for example:{indented}")
    document = read_toml(path)
    _refuse_unknown(path, document)
    return document


def read_toml(path: str) -> Document:
    """Parse a file.

    :param path: absolute
    :raises DevpyError: if it cannot be read, or is no TOML
    """
    content = read_bytes(path)
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DevpyError(f"{path}: not UTF-8 at byte {error.start}", "save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise DevpyError(f"{path}: {_with_position(error, content)}", "correct the TOML syntax there") from error
    except ValueError as error:  # more digits than Python takes
        raise DevpyError(f"{path}: {error}", "write a smaller number") from error
    except RecursionError as error:
        raise DevpyError(f"{path}: nested too deeply", "write plain tables and lists") from error


def _with_position(error: ValueError, content: bytes) -> str:
    """Return the parser's message, which says "at end of document" without saying where that is."""
    lines = content.decode("utf-8-sig").split("\n")
    return str(error).replace("at end of document", f"at line {len(lines)}, column {len(lines[-1]) + 1}")


def _refuse_unknown(path: str, document: dict[str, Any]) -> None:
    for name, table in document.items():
        if name not in _KEYS:
            shown = f"[{name}]" if isinstance(table, dict) else name
            raise DevpyError(f"{path}: {shown}: unknown", _suggestion(name))
        if not isinstance(table, dict):
            raise _wrong(path, name, table, "is not a table", f"write [{name}] on a line of its own")
        keys = _KEYS[name]
        for key in table:
            if keys is not None and key not in keys:
                raise DevpyError(f"{path}: {name}.{key}: unknown key", _suggestion(f"{name}.{key}"))


def _suggestion(unknown: str) -> str:
    import difflib

    keys = [f"{table}.{key}" for table, names in _KEYS.items() for key in sorted(names or ())]
    last = unknown.rpartition(".")[2]
    same_key = [name for name in keys if name.endswith("." + last)]
    near = same_key or difflib.get_close_matches(unknown, keys if "." in unknown else [*_KEYS, *keys], n=1)
    if not near:
        return "remove it; known are {} and [env]".format(", ".join(keys))
    return "did you mean %s?" % (near[0] if "." in near[0] else f"[{near[0]}]")


def _follow_extends(path: str, document: Document) -> str:
    """Return the absolute path of the stack config that a pointer names."""
    extends = _string(path, document, "devpy.extends")
    beside = [name for name in document if name != "devpy"] + [
        "devpy." + key for key in document["devpy"] if key != "extends"
    ]
    if beside:
        mend = "move it into the stack config, or remove extends"
        raise DevpyError(f"{path}: {beside[0]}: has no place beside devpy.extends", mend)
    target = _resolve(path, extends)
    mend = f"name an existing stack config, relative to {os.path.dirname(path)}"
    if is_dir(target):
        raise _wrong(path, "devpy.extends", extends, "is a directory", mend)
    if not exists(target):
        raise _wrong(path, "devpy.extends", extends, "does not exist", mend)
    if os.path.samefile(target, path):
        raise _wrong(path, "devpy.extends", extends, "points to itself", mend)
    return target


def _declaration(entry: str, path: str, document: Document, *, is_stack: bool) -> Config:
    """Build the Config from a parsed file that is not a pointer."""
    if is_stack and document["devpy"]["kind"] != "stack":
        kind = document["devpy"]["kind"]
        raise _wrong(path, "devpy.kind", kind, "is unknown", 'write kind = "stack", or remove it')
    packages = _packages(path, document)
    return Config(
        entry=entry,
        file=path,
        is_stack=is_stack,
        base=_base(path, document),
        venv=_venv(path, document),
        editables=list(packages),
        declared=list(packages.values()),
        install_deps=_typed(path, document, "editables.install_deps", bool, default=False),
        installer=_installer(path, document),
        env=_env(path, document),
        skipped_checks=_skipped_checks(path, document),
    )


def _base(path: str, document: Document) -> str:
    if "base_conda_env" not in document.get("python", {}):
        mend = 'add [python] base_conda_env = "NAME"; `conda env list` shows the names'
        raise DevpyError(f"{path}: python.base_conda_env: missing", mend)
    base = _string(path, document, "python.base_conda_env")
    if base in (".", "..", "~"):
        raise _wrong(path, "python.base_conda_env", base, "is not a name", f"write a path as {base}/")
    return _resolve(path, base) if "/" in base else base


def _venv(path: str, document: Document) -> str:
    """Return where the overlay lies, which is strictly inside the folder of the file and outside any `.git`."""
    venv = _string(path, document, "python.venv", default=".venv")
    root = real_path(os.path.dirname(path))
    bad = next((character for character in os.path.join(root, venv) if _cannot_be_in_venv(character)), "")
    if bad:
        mend = "move the repository, or name another folder: a virtual environment's path cannot hold it"
        raise _wrong(path, "python.venv", venv, f"makes a path with {bad!r}", mend)
    lexical = os.path.normpath(os.path.join(os.path.dirname(path), expand_user(venv)))
    place = os.path.join(real_path(os.path.dirname(lexical)), os.path.basename(lexical))
    for candidate in (place, real_path(place)):
        relative = os.path.relpath(candidate, root)
        problem, mend = f"is not strictly inside {root}", f'name a folder inside {root}, such as ".venv"'
        if candidate != place:
            problem, mend = f"is a symlink to {candidate}, which {problem}", f"remove the symlink {place}"
        if relative == "." or relative.split(os.sep)[0] == os.pardir:
            raise _wrong(path, "python.venv", venv, problem, mend)
        if ".git" in (part.lower() for part in relative.split(os.sep)):
            raise _wrong(path, "python.venv", venv, "is part of a .git directory", mend)
    return place


def _cannot_be_in_venv(character: str) -> bool:
    """Tell what would break PATH, pyvenv.cfg or activation scripts."""
    return character in (os.pathsep, "\n", "\r") or "\ud800" <= character <= "\udfff"


def _packages(path: str, document: Document) -> dict[str, str]:
    """Return the folders of the declared packages by their real paths."""
    declared = _typed(path, document, "editables.packages", list, default=[])
    packages: dict[str, str] = {}
    for item in declared:
        if not isinstance(item, str):
            raise _wrong(path, "editables.packages", item, "is not a string", 'write paths as strings: [".", "../lib"]')
        _refuse_empty(path, "editables.packages", item)
        folder = _resolve(path, item)
        real = real_path(folder)
        if real in packages:
            raise _wrong(path, "editables.packages", item, f"is declared twice ({real})", "remove one of the two")
        packages[real] = folder
    return packages


def _installer(path: str, document: Document) -> str:
    installer = _string(path, document, "editables.installer", default=DEVPY)
    if installer not in (DEVPY, PIP):
        raise _wrong(path, "editables.installer", installer, "is unknown", f'write "{DEVPY}" or "{PIP}"')
    return installer


def _skipped_checks(path: str, document: Document) -> list[str]:
    names: list[str] = _typed(path, document, "doctor.skip", list, default=[])
    for name in names:
        if not isinstance(name, str):
            raise _wrong(path, "doctor.skip", name, "is not a string", 'write names as strings: ["dependencies"]')
    return names


def _env(path: str, document: Document) -> dict[str, str]:
    env = document.get("env", {})
    for name, value in env.items():
        if not name or "=" in name or "\0" in name:
            raise _wrong(path, "env", name, "is not the name of a variable", "use letters, digits and _")
        if not isinstance(value, str):
            raise _wrong(path, "env." + name, value, "is not a string", 'put the value in quotes: "…"')
        if "\0" in value:
            raise _wrong(path, "env." + name, value, "holds a NUL character", "remove it")
    return dict(env)


def _typed(path: str, document: Document, key: str, kind: type, *, default: Any) -> Any:
    """Return the value of `table.key`, which must be of `kind`."""
    table, _, name = key.partition(".")
    value = document.get(table, {}).get(name, default)
    if not isinstance(value, kind):
        raise _wrong(path, key, value, "is not " + _TYPE_NAMES[kind], "write it as " + _TYPE_NAMES[kind])
    return value


def _string(path: str, document: Document, key: str, default: str = "") -> str:
    value: str = _typed(path, document, key, str, default=default)
    _refuse_empty(path, key, value)
    return value


def _refuse_empty(path: str, key: str, value: str) -> None:
    if not value.strip():
        raise _wrong(path, key, value, "is empty", "give it a value or remove it")
    if "\0" in value:
        raise _wrong(path, key, value, "holds a NUL character", "remove it")


def _resolve(path: str, value: str) -> str:
    """Make a path that the file at `path` names absolute; relative ones start from the file's folder."""
    return os.path.abspath(os.path.join(os.path.dirname(path), expand_user(value)))


def _wrong(path: str, key: str, value: object, problem: str, mend: str) -> DevpyError:
    try:
        shown = json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):  # nested deeply by dots, or with more digits than Python shows
        shown = "…"
    return DevpyError(f"{path}: {key} = {shown} {problem}", mend)
