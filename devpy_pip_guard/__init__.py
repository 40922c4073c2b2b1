"""What travels into an overlay and runs in its interpreter; standard library of Python 3.8 only.

There it is called `_devpy_guard`, and every start of the overlay's Python runs this module, even one that never sees
pip. So it stays small and imports only what is loaded already; `from __future__` would load a module, too.

The module itself is what stands in `sys.meta_path`: `find_spec` is all that is asked of an entry, and by
importlib.metadata `find_distributions`. A class would cost more than the rest of the guard together.
"""

import sys

START_VARIABLES = "devpy-start"
"""The file in an overlay from which its Python, started where the base is not active, takes environment variables."""

CALLERS = "devpy-callers-value"
"""What stands in that record for the value that the caller has given a variable."""

OVERLAY_RECORD = "devpy.json"
"""The file in an overlay that is devpy's mark, and its record of what the overlay was made for."""

_MOST_BYTES = 4 << 20
"""What is longer is no record."""

_PIP_INSTALL = "pip._internal.commands.install"
_EDITABLE_FINDERS = ("__editable___", "editables.")
_PATH_FINDER = "PathFinder"
_PYTHONS = "_frozen_importlib"
_PRECEDENCE = f"{__name__}.precedence"
_SETUPTOOLS_OWN = "_distutils_hack"
"""Where its finder comes from, which waits for `distutils` alone."""

BASE, MADE = b"", b""
"""The base's site-packages, and where the overlay was made; absolute. In an overlay, their values stand at the end.

Bytes, so that the source is ASCII whatever the paths are.
"""

REST = "rest.zip"
"""In an overlay, what hardly any start of Python needs of this package: compressed, since an overlay shall be small."""

SITE_PACKAGES = __file__.rsplit("/", 2)[0]
"""The folder that this package lies in: in an overlay, its site-packages, absolute."""

OVERLAY = SITE_PACKAGES.rsplit("/", 3)[0]
"""The overlay that this package lies in, absolute."""

__path__.append(f"{__path__[0]}/{REST}")

own_path: "list[str]" = []
"""What `sys.path` held before the base came in; empty until `start` has run."""

own_finders: "list[object]" = []
"""What `sys.meta_path` held before the base came in."""

_left_out: "list[str]" = []
"""The base, if it was in `sys.path` ahead of time."""


def start(known_paths: "set[str] | None" = None) -> None:
    """Arm the guard, supply the base's variables, then let in what the base holds; the bridge calls this.

    In this order, since without the base there is no pip: a guard that cannot be armed leaves none that is unguarded.
    And what the base brings in may look at the variables.

    :param known_paths: what `site` has added to `sys.path` so far, from the call of `site.addsitedir` that reads the
        bridge. At start-up that set is shared and the base is added once; pip passes a set of its own to learn which
        folders to hide from an isolated build, and so learns of the base. None from Python 3.15 on, where `site` tells
        an entry point nothing (PEP 829) but adds no folder that is in `sys.path`: pip empties that, to learn the same
    """
    arm()
    import os
    import site

    base = os.fsdecode(BASE)
    prefix = base.rsplit("/", 3)[0]
    known = sys.path if known_paths is None else known_paths
    if not own_finders and base in known:
        _leave_out_for_now(base, known_paths)
        if not _left_out:
            _left_out.append(base)
            site.addsitedir(SITE_PACKAGES, known_paths)  # which calls this again
            return
    is_first = base not in known
    active = os.environ.get("VIRTUAL_ENV", sys.prefix)
    if os.environ.get("CONDA_PREFIX") != prefix or (is_first and active != sys.prefix):
        supply(prefix)
    if is_first:
        _tell_of_copies(os.fsdecode(MADE))
        _put_editables_first()
        _let_in(base, known_paths)
        return
    if _PRECEDENCE in sys.modules:  # before Python 3.15, `site` reads the `.pth` files of a virtual environment twice
        sys.modules[_PRECEDENCE].drop_repeated_finders()
    if known_paths is None:
        _tell_old_pip()


def _leave_out_for_now(base: str, known_paths: "set[str] | None") -> None:
    """Take away the base that PYTHONPATH or a `.pth` names, and what start-up files have imported from there.

    Two worktrees' editables of one version share the name of the module that finds them.
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
    """Add to `sys.path` once more what overlay and base have added, if pip before 26.2 asks what to hide from a build.

    It looks for what `site.addsitedir` appends, which from Python 3.15 on is nothing that is there already. It asks
    in a `sitecustomize` of its own, told by the name of a variable; newer ones empty `sys.path` first.
    """
    if hasattr(sys.modules.get("sitecustomize"), "original_sys_path") and SITE_PACKAGES in sys.path:
        sys.path += sys.path[sys.path.index(SITE_PACKAGES) :]


def supply(base: str) -> None:
    """Set the environment variables that activation would have set, as the overlay's record has them.

    Nothing is set if there is no record, if it is broken, or if it was made for another overlay or another base. All
    of this is here because importing it from a module of its own would take longer than the rest.

    :param base: the prefix of the conda environment, absolute
    """
    import os

    environ = os.environ
    active = environ.get("VIRTUAL_ENV", "")
    try:
        venv, made_for, _, rules = read_start_variables(sys.prefix)
        if made_for != base or not (venv == sys.prefix or os.path.samefile(venv, sys.prefix)):
            return
        if active != venv and os.path.exists(os.path.join(active, OVERLAY_RECORD)):
            _leave(os.path.join(active, "bin"))
        for name, value, template in rules:
            callers = environ.get(name)
            environ[name] = (template and callers and _filled(name, template, callers)) or value
    except (OSError, ValueError):
        return


def _leave(programs: str) -> None:
    """Take the programs of another overlay off PATH: they would run that one's code."""
    import os

    entries = os.environ.get("PATH", "").split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([entry for entry in entries if entry != programs])


def _tell_of_copies(made: str) -> None:
    """Tell whose code will run if this overlay has been moved or copied, or this script is that of a copy of it."""
    programs = sys.argv[0].rpartition("/")[0]
    if made != OVERLAY and not is_same_file(made, OVERLAY):
        _tell(f"{OVERLAY} was made as {made}", "it may import the code there: devpy update-editables")
    if programs.endswith("bin") and programs != f"{OVERLAY}/bin":
        import os

        copy = os.path.abspath(os.path.join(programs, os.pardir))
        if os.path.exists(os.path.join(copy, OVERLAY_RECORD)) and not is_same_file(copy, OVERLAY):
            _tell(f"{sys.argv[0]} runs the code of {OVERLAY}", f"{copy} is a copy of that: devpy update-editables")


def is_same_file(one: str, other: str) -> bool:
    """Tell whether two paths are of one file or folder, as the file system does, on which case may not matter."""
    import os

    try:
        return os.path.samefile(one, other)
    except OSError:  # one of the two is not there
        return False


def is_inside(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or lies in it; both are real paths."""
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _tell(problem: str, mend: str) -> None:
    if sys.stderr is not None:
        print(f"devpy: {problem}\n  {mend}", file=sys.stderr)


def read_start_variables(venv: str) -> "tuple[str, str, str, list[tuple[str, str, str]]]":
    """Return what a record holds: overlay, base, a text about what it was made from, and a rule for each variable.

    A rule is a name, the value if the caller has none or an empty one, and a template with `CALLERS` in it for the
    value if he has; an empty template means that his does not count. In the file, the number of fields comes first and
    the word `end` last, all separated by NUL.

    :param venv: the overlay, absolute
    :raises OSError: if there is no record that can be read
    :raises ValueError: if it is broken
    """
    fields = read_fields(f"{venv}/{START_VARIABLES}")
    if fields[0] != str(len(fields)) or fields[-1] != "end" or len(fields) % 3 != 2:
        raise ValueError("broken")
    _, recorded_venv, base, inputs = fields[:4]
    return recorded_venv, base, inputs, list(zip(fields[4:-1:3], fields[5:-1:3], fields[6:-1:3]))


def read_fields(path: str) -> "list[str]":
    """Return the fields of a record, separated by NUL in its file.

    :param path: absolute
    :raises OSError: if it cannot be read
    """
    import os

    # Not blocking, since what is there may be a FIFO.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        # Never more room than need be: to give a process a megabyte takes longer than to read the record.
        size = min(os.fstat(descriptor).st_size, _MOST_BYTES)
        return os.fsdecode(os.read(descriptor, size)).split("\0")
    finally:
        os.close(descriptor)


def _filled(name: str, template: str, callers: str) -> str:
    """Put the caller's value into the template; what PATH has anyway is not put there again."""
    if name == "PATH":
        entries = template.split(":")
        callers = ":".join([entry for entry in callers.split(":") if entry not in entries])
    return callers and template.replace(CALLERS, callers)


def arm() -> None:
    """Wait for pip's `install` command, which nobody imports but to install; to call it again is harmless."""
    guard = sys.modules[__name__]
    if guard not in sys.meta_path:
        sys.meta_path.insert(0, guard)


def _let_in(base: str, known_paths: "set[str] | None") -> None:
    """Let in what the base holds, behind what the overlay has."""
    import site

    is_start = not own_path  # pip, to learn of the base, calls this once more, without the standard library's path
    if is_start:
        own_path[:], own_finders[:] = sys.path, sys.meta_path
    path, modules = [*sys.path], {*sys.modules}
    finders: list[object] = [*sys.meta_path]
    site.addsitedir(base, known_paths)
    is_usual = sys.path == [*path, base] and not _has_other_finders(finders) and not _has_new_namespaces(modules)
    if not is_usual and (is_start or _PRECEDENCE in sys.modules):
        from . import precedence

        precedence.restore(base, path, finders, modules)


def _put_editables_first() -> None:
    """Move the finders of the overlay's editables ahead of the one that searches `sys.path`.

    setuptools, for a package that lies beside its pyproject.toml, and the `editables` library of hatchling and pdm put
    theirs at the end, where a copy of the package in the base would come first. When this runs, the base has not
    brought in any of its own yet.
    """
    finders = sys.meta_path
    if getattr(finders[-1], "__name__", "") == _PATH_FINDER:
        return
    names = [getattr(finder, "__name__", "") for finder in finders]
    place = names.index(_PATH_FINDER) if _PATH_FINDER in names else len(finders)
    behind = finders[place + 1 :]
    modules = {str(getattr(finder, "__module__", "")) for finder in behind}
    known = {module for module in modules if module.startswith(_EDITABLE_FINDERS)}
    if known != modules:  # the others may be of a build backend that is not known here
        from .distributions import modules_of_editables

        known.update(modules_of_editables(SITE_PACKAGES))
    ours = [finder for finder in behind if str(getattr(finder, "__module__", "")) in known]
    finders[place + 1 :] = [finder for finder in behind if finder not in ours]
    finders[place:place] = ours


def _has_other_finders(before: "list[object]") -> bool:
    """Tell whether any finders need a look: an editable's ahead of Python's own, or one that the base has brought."""
    guard = sys.modules[__name__]
    names = [getattr(finder, "__module__", "") for finder in before if finder is not guard]
    ahead = names[: names.index(_PYTHONS)] if _PYTHONS in names else names
    new = [getattr(finder, "__module__", "") for finder in sys.meta_path if finder not in before]
    return any(name != _SETUPTOOLS_OWN for name in ahead + new)


def _has_new_namespaces(before: "set[str]") -> bool:
    """Tell whether the base has brought in a package without a file, as a `*-nspkg.pth` does."""
    new = [module for name, module in sys.modules.items() if name not in before]
    return any(is_namespace(module) for module in new)


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

    Not to whoever searches a path, such as pip and setuptools, nor to the backport `importlib_metadata`. What is
    returned is an iterator: Python 3.8 takes nothing else.
    """
    asked = vars(context) if context is not None else {"path": None}
    if "_pytest" not in sys.modules or "path" in asked or asked.get("name") not in (None, "devpy-overlay"):
        return
    if type(context).__module__ == "importlib.metadata":
        from .pytest_entry_point import OverlayDistribution

        yield OverlayDistribution()
