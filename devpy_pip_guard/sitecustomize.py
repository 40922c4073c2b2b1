"""Arms the guard, then runs the `sitecustomize` that would have run without this one.

It stands in the overlay's site-packages. The bridge's `.pth` arms the guard as well, for the case that another
`sitecustomize` comes first on the path. `site` reports errors, here as in any other `sitecustomize`.
"""

import sys

if "importlib.machinery" in sys.modules:  # as from Python 3.15 on
    from importlib.machinery import PathFinder
else:  # to load it would cost every start of the interpreter more than the guard does
    from _frozen_importlib_external import PathFinder

import _devpy_guard  # type: ignore[import-not-found] # the name of this package in an overlay

_devpy_guard.arm()

_here = __file__.rpartition("/")[0]
_next = PathFinder.find_spec(__name__, sys.path[sys.path.index(_here) + 1 :])
if _next is not None and _next.loader is not None:
    from importlib.util import module_from_spec

    # What is in sys.modules when this module has run is what `import sitecustomize` returns.
    sys.modules[__name__] = module_from_spec(_next)
    _next.loader.exec_module(sys.modules[__name__])
