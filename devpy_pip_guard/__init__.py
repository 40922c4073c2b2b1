"""What travels into an overlay and runs in its interpreter; standard library of Python 3.8 only.

There it is called `_devpy_guard`, and every start of the overlay's Python runs this module, even one that never sees
pip. So it stays small and imports only what is loaded already; `from __future__` would load a module, too.

The module itself is what stands in `sys.meta_path`: `find_spec` is all that is asked of an entry, and by
importlib.metadata `find_distributions`. A class would cost more than the rest of the guard together.
"""

import sys

START_VARIABLES = "devpy-start"
"""The file in an overlay from which its Python, started without devpy, takes environment variables."""

CALLER_VALUE = "devpy-callers-value"
"""What stands in that file for the value that the caller has given a variable."""

OVERLAY_RECORD = "devpy.json"
"""The file in an overlay that is devpy's mark, and its record of what the overlay was made for."""

BASE_SCRIPTS = "lib/devpy/bin"
"""The folder in an overlay that holds a link for every console script of the base; second on PATH, behind `bin`."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    _Rule = tuple[str, str, str]

_MOST_BYTES = 4 << 20
"""How much of such a file is read; none that devpy writes is longer."""

_PIP_INSTALL = "pip._internal.commands.install"
_EDITABLE_FINDERS = ("__editable___", "editables.")
_PATH_FINDER = "PathFinder"
_IMPORTLIB = "_frozen_importlib"
"""The module of the first of Python's own finders."""

_PRECEDENCE = f"{__name__}.precedence"
_DISTUTILS_HACK = "_distutils_hack"
"""The module of setuptools' finder that waits for `distutils` alone."""

BASE, MADE = b"", b""
"""The base's site-packages, and where the overlay was made; absolute. In an overlay, a line at the end sets them.

They are bytes, so that this source is ASCII whatever the paths are.
"""

REST = "rest.zip"
"""The archive in an overlay with all modules of this package but this one."""

SITE_PACKAGES = __file__.rsplit("/", 2)[0]
"""The folder that this package lies in: in an overlay, its site-packages, absolute."""

OVERLAY = SITE_PACKAGES.rsplit("/", 3)[0]
"""The overlay that this package lies in, absolute."""

__path__.append(f"{__path__[0]}/{REST}")

path_before_base: "list[str]" = []
"""What `sys.path` held before the base came in; empty until `start` has run."""

finders_before_base: "list[object]" = []
"""What `sys.meta_path` held before the base came in."""

_left_out: "list[str]" = []
"""The base, if it was in `sys.path` ahead of time."""


def start(known_paths: "set[str] | None" = None) -> None:
    """Arm the guard, supply the base's variables, then let in what the base holds; the bridge calls this.

    The order matters. pip comes in with the base: if the guard cannot be armed, no pip runs unguarded. And the base's
    start-up files may look at the variables.

    :param known_paths: what `site` has added to `sys.path` so far, from the call of `site.addsitedir` that reads the
        bridge. At start-up that set is shared, and the base is added once. pip passes a set of its own to learn which
        folders to hide from an isolated build, and so learns of the base. None from Python 3.15 on: there `site` tells
        an entry point nothing (PEP 829), and adds no folder that is in `sys.path`, which pip empties to learn the same
    """
    arm()
    import os
    import site

    base = os.fsdecode(BASE)
    prefix = base.rsplit("/", 3)[0]
    added = sys.path if known_paths is None else known_paths
    if not finders_before_base and base in added:
        _leave_out_for_now(base, known_paths)
        if not _left_out:
            _left_out.append(base)
            site.addsitedir(SITE_PACKAGES, known_paths)  # which calls this again
            return
    is_first = base not in added
    environ = os.environ
    if environ.get("CONDA_PREFIX") != prefix or (is_first and environ.get("VIRTUAL_ENV") != sys.prefix):
        supply(prefix)
    if is_first:
        _warn_of_copies(os.fsdecode(MADE))
        _put_editables_first()
        _let_in(base, known_paths)
        return
    if _PRECEDENCE in sys.modules:  # before Python 3.15, `site` reads the `.pth` files of a virtual environment twice
        sys.modules[_PRECEDENCE].drop_repeated_finders()
    if known_paths is None:
        _tell_old_pip()


def _leave_out_for_now(base: str, known_paths: "set[str] | None") -> None:
    """Take the base away that PYTHONPATH or a `.pth` names, and the modules that start-up files have imported from it.

    One version of a package, installed as an editable from two worktrees, has a finder module of the same name in both.
    """
    sys.path[:] = [entry for entry in sys.path if entry != base]
    if known_paths is not None:
        known_paths.discard(base)
    files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
    names = {name for name, file in files.items() if file.startswith(base + "/")}
    for name in names:
        del sys.modules[name]
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__module__", "") not in names]


def _tell_old_pip() -> None:
    """Repeat in `sys.path` what overlay and base have added, if pip before 26.2 asks what to hide from a build.

    Such a pip looks for what `site.addsitedir` appends: from Python 3.15 on, nothing that is in `sys.path` already. It
    asks in a `sitecustomize` of its own, told by one of its variables. Newer pips empty `sys.path` first.
    """
    if hasattr(sys.modules.get("sitecustomize"), "original_sys_path") and SITE_PACKAGES in sys.path:
        sys.path += sys.path[sys.path.index(SITE_PACKAGES) :]


def supply(base: str) -> None:
    """Set the environment variables that activation would have set, as the overlay's start variables have them.

    Where the base is active, those of its activation stay as they are: the user may have changed them since, and what
    adds to a value would add to it once more. Devpy's own are set, and the overlay's programs come first on PATH.

    Nothing is set inside the environment of another overlay, in the worktree which that one is for: a hook that one
    worktree has installed runs in all of them, and has to find the programs of the worktree that commits.

    Nothing is set if there are no start variables, or they are broken, or of another overlay or base. This function is
    here, not in a module of its own, since to import that would take longer than to run it.

    :param base: the prefix of the conda environment, absolute
    """
    import os

    environ = os.environ
    active = environ.get("VIRTUAL_ENV", "")
    try:
        venv, made_for, _, rules, own = read_start_variables(sys.prefix)
        if made_for != base or not (venv == sys.prefix or os.path.samefile(venv, sys.prefix)):
            return
        if active != venv and os.path.exists(os.path.join(active, OVERLAY_RECORD)):
            if _is_in_worktree_of(active):
                return
            _take_off_path(active)
        if environ.get("CONDA_PREFIX") == base:
            if active == venv:  # which `sys.prefix` spells in another way
                return
            rules = []
            _put_first(venv)
        for name, value, template in rules + own:
            caller_value = environ.get(name)
            environ[name] = (template and caller_value and _filled(name, template, caller_value)) or value
    except (OSError, ValueError):
        return


def _is_in_worktree_of(active: str) -> bool:
    """Tell whether the current folder lies in the worktree of another overlay rather than of this one.

    Worktrees may lie inside each other: the innermost counts.
    """
    import os

    from .pyvenv_cfg import governed_folder

    folder, active_root, root = os.getcwd(), governed_folder(active), governed_folder(sys.prefix)
    return is_inside(folder, active_root) and not (is_inside(folder, root) and len(root) > len(active_root))


def _take_off_path(venv: str) -> None:
    """Take the programs of an overlay off PATH, such as another overlay's, which would run that overlay's code."""
    import os

    folders = programs(venv)
    entries = os.environ.get("PATH", "").split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([entry for entry in entries if entry not in folders])


def _put_first(venv: str) -> None:
    """Put an overlay's programs first on PATH: the base's would run whatever code the base holds."""
    import os

    _take_off_path(venv)
    os.environ["PATH"] = os.pathsep.join([*programs(venv), os.environ["PATH"] or os.defpath])


def programs(venv: str) -> "list[str]":
    """Return the folders of an overlay's programs, absolute, in their order on PATH."""
    return [f"{venv}/bin", f"{venv}/{BASE_SCRIPTS}"]


def _warn_of_copies(made: str) -> None:
    """Tell whose code will run if this overlay was moved or copied, or if the script lies in a copy of it."""
    programs = sys.argv[0].rpartition("/")[0]
    if made != OVERLAY and not is_same_file(made, OVERLAY):
        _warn(f"{OVERLAY} was made as {made}", "it may import the code there: devpy update-editables")
    if programs.endswith("bin") and programs != f"{OVERLAY}/bin":
        import os

        copy = os.path.abspath(os.path.join(programs, os.pardir))
        if os.path.exists(os.path.join(copy, OVERLAY_RECORD)) and not is_same_file(copy, OVERLAY):
            _warn(f"{sys.argv[0]} runs the code of {OVERLAY}", f"{copy} is a copy of that: devpy update-editables")


def is_same_file(path1: str, path2: str) -> bool:
    """Tell whether two paths lead to one file or folder; the file system decides whether case matters."""
    import os

    try:
        return os.path.samefile(path1, path2)
    except OSError:  # one of them does not exist
        return False


def is_inside(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or lies in it; both are real paths."""
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _warn(problem: str, mend: str) -> None:
    if sys.stderr is not None:
        print(f"devpy: {problem}\n  {mend}", file=sys.stderr)


def read_start_variables(venv: str) -> "tuple[str, str, str, list[_Rule], list[_Rule]]":
    """Return the start variables: overlay, base, a text about what they were made from, and a rule for each variable.

    The rules are those of the base's activation, then devpy's own. A rule is a name, a value, and a template with
    `CALLER_VALUE` in it. The value is for a caller who has not set the variable, or has left it empty; the template is
    for any other caller. If it is empty, his value does not count. In the file, the number of fields comes first, that
    of devpy's own rules ahead of the rules, and the word `end` last, all separated by NUL.

    :param venv: the overlay, absolute
    :raises OSError: if there is no file that can be read
    :raises ValueError: if it is broken
    """
    fields = read_fields(f"{venv}/{START_VARIABLES}")
    if fields[0] != str(len(fields)) or fields[-1] != "end" or len(fields) % 3 != 0:
        raise ValueError("broken")
    _, recorded_venv, base, inputs, own = fields[:5]
    rules = list(zip(fields[5:-1:3], fields[6:-1:3], fields[7:-1:3]))
    behind = len(rules) - int(own)
    if not 0 <= behind <= len(rules):
        raise ValueError("broken")
    return recorded_venv, base, inputs, rules[:behind], rules[behind:]


def read_fields(path: str) -> "list[str]":
    """Return the fields of a file that devpy has written, separated by NUL there.

    :param path: absolute
    :raises OSError: if it cannot be read
    """
    import os

    # Without waiting, as the path may be that of a FIFO.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        # No larger buffer than need be: to give a process a megabyte takes longer than to read the file.
        size = min(os.fstat(descriptor).st_size, _MOST_BYTES)
        return os.fsdecode(os.read(descriptor, size)).split("\0")
    finally:
        os.close(descriptor)


def _filled(name: str, template: str, value: str) -> str:
    """Put the caller's value into the template; entries that the template of PATH has are not repeated."""
    if name == "PATH":
        entries = template.split(":")
        value = ":".join([entry for entry in value.split(":") if entry not in entries])
    return value and template.replace(CALLER_VALUE, value)


def arm() -> None:
    """Wait for pip's `install` command, which nobody imports but to install; to call it again is harmless."""
    guard = sys.modules[__name__]
    if guard not in sys.meta_path:
        sys.meta_path.insert(0, guard)


def _let_in(base: str, known_paths: "set[str] | None") -> None:
    """Let in what the base holds, behind what the overlay has."""
    import site

    is_start = not path_before_base  # pip calls this again to learn of the base, without the standard library's path
    if is_start:
        path_before_base[:], finders_before_base[:] = sys.path, sys.meta_path
    path, modules = [*sys.path], {*sys.modules}
    finders: list[object] = [*sys.meta_path]
    site.addsitedir(base, known_paths)
    is_usual = sys.path == [*path, base] and not _has_other_finders(finders) and not _has_new_namespaces(modules)
    if not is_usual and (is_start or _PRECEDENCE in sys.modules):
        from . import precedence

        precedence.restore(base, path, finders, modules)


def _put_editables_first() -> None:
    """Move the finders of the overlay's editables ahead of the one that searches `sys.path`.

    Some put theirs at the end, where a copy of the package in the base would come first: setuptools for a package that
    lies beside its pyproject.toml, and the `editables` library of hatchling and pdm. The base has not brought in any
    finder yet.
    """
    finders = sys.meta_path
    if getattr(finders[-1], "__name__", "") == _PATH_FINDER:
        return
    names = [getattr(finder, "__name__", "") for finder in finders]
    place = names.index(_PATH_FINDER) if _PATH_FINDER in names else len(finders)
    last_finders = finders[place + 1 :]
    modules = {str(getattr(finder, "__module__", "")) for finder in last_finders}
    editable_modules = {module for module in modules if module.startswith(_EDITABLE_FINDERS)}
    if editable_modules != modules:  # the rest may be of a build backend whose names are not listed here
        from .distributions import modules_of_editables

        editable_modules.update(modules_of_editables(SITE_PACKAGES))
    editable_finders = [finder for finder in last_finders if str(getattr(finder, "__module__", "")) in editable_modules]
    finders[place + 1 :] = [finder for finder in last_finders if finder not in editable_finders]
    finders[place:place] = editable_finders


def _has_other_finders(finders: "list[object]") -> bool:
    """Tell whether any finders need a look: an editable's ahead of Python's own, or one that the base has brought.

    :param finders: what `sys.meta_path` held before the base came in
    """
    guard = sys.modules[__name__]
    modules = [getattr(finder, "__module__", "") for finder in finders if finder is not guard]
    first_modules = modules[: modules.index(_IMPORTLIB)] if _IMPORTLIB in modules else modules
    base_modules = [getattr(finder, "__module__", "") for finder in sys.meta_path if finder not in finders]
    return any(module != _DISTUTILS_HACK for module in first_modules + base_modules)


def _has_new_namespaces(names: "set[str]") -> bool:
    """Tell whether the base has brought in a package without a file, as a `*-nspkg.pth` does.

    :param names: of the modules that had been imported before
    """
    base_modules = [module for name, module in sys.modules.items() if name not in names]
    return any(is_namespace(module) for module in base_modules)


def is_namespace(module: object) -> bool:
    """Tell whether a module is a package without a file; one that loads late or makes up attributes is not asked."""
    return type(module) is type(sys) and "__path__" in vars(module) and vars(module).get("__file__") is None


def find_spec(name: str, path: object = None, target: object = None) -> None:  # noqa: ARG001 - importlib's signature
    """Put the guard into pip when its `install` command is about to be imported; find nothing, ever.

    :raises ImportError: if the guard cannot be put there: then pip does not install at all
    """
    if name != _PIP_INSTALL:
        return
    try:
        from . import hook

        hook.install()
    except Exception as error:
        mend = "rebuild the overlay: `devpy clean`, then `devpy update-editables`"
        raise ImportError(f"devpy: the guard in {__path__[0]} failed ({error!r}); {mend}") from error
    sys.meta_path.remove(sys.modules[__name__])


def find_distributions(context: object = None) -> object:
    """Offer the pytest plugin to pytest alone; importlib.metadata asks this of what stands in `sys.meta_path`.

    It is not offered to whoever searches a path, such as pip and setuptools, nor to the backport `importlib_metadata`.
    The function is an iterator, since Python 3.8 takes nothing else.
    """
    query = vars(context) if context is not None else {"path": None}
    if "_pytest" not in sys.modules or "path" in query or query.get("name") not in (None, "devpy-overlay"):
        return
    if type(context).__module__ == "importlib.metadata":
        from .pytest_entry_point import OverlayDistribution

        yield OverlayDistribution()
