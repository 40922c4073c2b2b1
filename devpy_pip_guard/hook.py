"""Puts the guard into pip: every editable that pip is about to install is checked first.

Every such request arrives at `RequirementPreparer.prepare_editable_requirement`, be it from the command line, a
requirements file, a variable or a configuration file. Nothing has been cloned or built for it yet. The method has had
this name since pip 19.3.

All modules are imported when the guard is put into pip: from 26.1 on, pip refuses imports once it has begun to install.
"""

from __future__ import annotations

import functools
import os
from importlib import import_module
from typing import Any, Callable

from . import declaration
from .errors import DevpyError


def install() -> None:
    """Make pip refuse the editables that devpy.toml does not declare.

    :raises ImportError: if this pip is so different that editables cannot even be refused altogether
    """
    try:
        # First, since pip's own modules import each other in a circle that has to be entered here.
        command = import_module("pip._internal.cli.req_command").RequirementCommand
        preparer = import_module("pip._internal.operations.prepare").RequirementPreparer
        prepare = preparer.prepare_editable_requirement
    except (ImportError, AttributeError):
        _refuse_every_editable()
        return
    preparer.prepare_editable_requirement = _checked(prepare)
    if hasattr(command, "get_requirements"):
        command.get_requirements = _checked_at_once(command.get_requirements)


def _checked(prepare: Callable[..., Any]) -> Callable[..., Any]:
    """Check an editable before pip prepares it."""

    @functools.wraps(prepare)
    def prepare_editable_requirement(self: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        _check(req)
        return prepare(self, req, *args, **kwargs)

    return prepare_editable_requirement


def _checked_at_once(get: Callable[..., Any]) -> Callable[..., Any]:
    """Check all requests at once, so that nothing is built ahead of an undeclared editable that comes later."""

    @functools.wraps(get)
    def get_requirements(*args: Any, **kwargs: Any) -> Any:
        requirements = get(*args, **kwargs)
        for req in requirements:
            if req.editable and not req.constraint and req.match_markers():
                _check(req)
        return requirements

    return get_requirements


def _check(req: Any) -> None:
    """Check one of pip's `InstallRequirement`s whose `editable` is true."""
    try:
        if req.link.is_vcs:
            declaration.check_vcs(req.link.url)
        else:
            declaration.check_path(os.path.join(req.link.file_path, req.link.subdirectory_fragment or ""))
    except DevpyError as error:
        raise _installation_error(f"devpy: {error.problem}; {error.mend}") from error


def _refuse_every_editable() -> None:
    """Refuse all editables, declared or not, in a pip that offers no place for a check."""
    requirement = import_module("pip._internal.req.req_install").InstallRequirement
    create = requirement.__init__
    version = import_module("pip").__version__

    @functools.wraps(create)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        create(self, *args, **kwargs)
        if self.editable:
            problem = f"pip {version} is too new for this devpy to tell which editables are declared"
            mend = "upgrade devpy: `pip install -U devpy-runner`, or put an older pip into the base"
            raise _installation_error(f"devpy: {problem}: {self} is refused; {mend}")

    requirement.__init__ = init


def _installation_error(message: str) -> Exception:
    """Return the exception that pip shows as one `ERROR:` line, exiting with 1."""
    error: Exception = import_module("pip._internal.exceptions").InstallationError(message)
    return error
