"""What travels into an overlay and runs in its interpreter; standard library of Python 3.8 only.

There it is called `_devpy_guard`, and every start of the overlay's Python runs this module, even one that never sees
pip. So it stays small and imports only what is loaded already; `from __future__` would load a module, too.

The module itself is what stands in `sys.meta_path`: `find_spec` is all that is asked of an entry, and a class would
cost more than the rest of the guard together.
"""

import sys

_PIP_INSTALL = "pip._internal.commands.install"
_EDITABLE_FINDERS = ("__editable___", "editables.")


def start(base: bytes, known_paths: "set[str]") -> None:
    """Arm the guard, then let in what the base holds; the bridge's `.pth` calls this.

    In this order, since without the base there is no pip: a guard that cannot be armed leaves none that is unguarded.

    :param base: the base's site-packages, absolute; bytes, so that the `.pth` is ASCII whatever the path is
    :param known_paths: what `site` has added to `sys.path` so far, from the call of `site.addsitedir` that reads the
        `.pth`. At start-up that set is shared and the base is added once; pip passes a set of its own to learn which
        folders to hide from an isolated build, and so learns of the base.
    """
    arm()
    import os
    import site

    folder = os.fsdecode(base)
    if folder not in known_paths:
        _put_editables_first()
        site.addsitedir(folder, known_paths)


def arm() -> None:
    """Wait for pip's `install` command, which nobody imports but to install; to call it again is harmless."""
    guard = sys.modules[__name__]
    if guard not in sys.meta_path:
        sys.meta_path.insert(0, guard)


def _put_editables_first() -> None:
    """Move the finders of the overlay's editables ahead of the one that searches `sys.path`.

    setuptools, for a package that lies beside its pyproject.toml, and the `editables` library of hatchling and pdm put
    theirs at the end, where a copy of the package in the base would come first. When this runs, the base has not
    brought in any of its own yet.
    """
    finders = sys.meta_path
    ours = [finder for finder in finders if str(getattr(finder, "__module__", "")).startswith(_EDITABLE_FINDERS)]
    if ours:
        others = [finder for finder in finders if finder not in ours]
        before = [getattr(finder, "__name__", "") for finder in others].index("PathFinder")
        finders[:] = others[:before] + ours + others[before:]


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
