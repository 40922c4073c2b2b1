"""What a check is given to look at."""

from __future__ import annotations

import os
import shutil
from functools import cached_property
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from devpy_pip_guard import sibling_editables, worktrees
from devpy_pip_guard.config import FILE_NAME, Config, load_repository
from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin.base_python import refuse_unfit
from devpy_virtualenv_plugin.layout import site_packages
from devpy_virtualenv_plugin.lock import is_held
from devpy_virtualenv_plugin.record import Record

from .. import programs
from ..activate.environment import Environment, overlay_variables, worktree_environment
from ..base import facts
from ..base.condarc import read_settings
from ..base.prefix import check_prefix
from ..overlay.state import ABSENT, FOREIGN, INCOMPLETE, Overlay, examine, parts
from ..plugin import Skipped
from ..plugin.manager import find_base
from . import interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpy_pip_guard.sibling_editables import SiblingEditable

    from ..base.facts import BaseFacts
    from ..programs import Ran
    from .interpreter import State

T = TypeVar("T")

BEING_CHANGED = "another devpy is changing the overlay"

_UNWRITTEN = {"PYTHONDONTWRITEBYTECODE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
"""Variables with which the programs that a check starts leave nothing behind."""


class WorktreeSetup:
    """The `plugin.Setup` that checks are given; the built-in ones may use all of it.

    Each part is looked up when it is first asked for, and raises `Skipped` if it is missing.

    :param root: the worktree root, absolute
    :param environ: the caller's environment variables
    """

    def __init__(self, root: str, environ: Mapping[str, str]) -> None:
        self.root = root
        self.environ = environ

    @cached_property
    def config(self) -> Config:
        """What devpy.toml says."""
        return _or_skip(f"no valid {FILE_NAME}", self.load_config)

    def load_config(self) -> Config:
        """Read devpy.toml.

        :raises DevpyError: if it is missing or broken
        """
        return load_repository(os.path.join(self.root, FILE_NAME))

    @cached_property
    def base(self) -> str:
        """The prefix of the conda environment that devpy.toml names, absolute."""
        return _or_skip("no usable base", self.find_base)

    def find_base(self) -> str:
        """Look for the conda environment.

        :raises DevpyError: if it is not found, or is none
        """
        prefix = find_base(self.config.base, self.environ).prefix
        check_prefix(prefix)
        return prefix

    def ask_base(self) -> BaseFacts:
        """Have the base's Python say what it is.

        :raises DevpyError: if the base is not found, or its Python does not answer or carries no overlay
        """
        if isinstance(self._asked_base, DevpyError):
            raise self._asked_base
        return self._asked_base

    @cached_property
    def _asked_base(self) -> BaseFacts | DevpyError:
        try:
            answer = facts.ask(self.find_base(), self.environ)
            refuse_unfit(answer.python)
        except DevpyError as error:  # kept: asking again could take as long
            return error
        return answer

    @cached_property
    def overlay(self) -> Overlay:
        """What stands at `config.venv`, in whatever state."""
        try:
            return examine(self.config, self.base)
        except Skipped:
            return examine(self.config)

    @property
    def is_being_changed(self) -> bool:
        """Whether another devpy is changing the overlay at this moment."""
        return is_held(self.config.venv)

    @property
    def record(self) -> Record:
        """What the overlay says of itself, if it can be used."""
        return self._usable()[1]

    @property
    def python(self) -> str:
        """The overlay's interpreter, absolute."""
        venv, made = self._usable()
        python = os.path.join(venv, "bin", "python")
        if not os.path.exists(python):
            raise Skipped("the overlay's Python is gone")
        if not all(os.path.isfile(part) for part in parts(venv, made.python)):
            raise Skipped("a part of the overlay is missing")
        return python

    @property
    def site_packages(self) -> str:
        """The overlay's site-packages, absolute."""
        venv, made = self._usable()
        folder = site_packages(venv, made.python)
        if not os.path.isdir(folder):
            raise Skipped("the overlay has no site-packages")
        return folder

    @property
    def base_site_packages(self) -> str:
        """The site-packages that the overlay lets in from the base, absolute."""
        return site_packages(self.record.base, self.record.python)

    def _usable(self) -> tuple[str, Record]:
        """Return where the overlay is, and its record, if its Python can be used as it is."""
        state, recorded = self.overlay.state, self.overlay.record
        if state in (ABSENT, FOREIGN):
            raise Skipped(self.missing)
        if state == INCOMPLETE or recorded is None:
            raise Skipped(BEING_CHANGED if self.is_being_changed else f"the overlay is {state}")
        return self.config.venv, recorded

    @property
    def missing(self) -> str:
        """Why there is nothing to look at, if the overlay is absent or foreign."""
        return "no overlay" if self.overlay.state == ABSENT else f"{self.config.venv} is not devpy's"

    @cached_property
    def state(self) -> State:
        """What the overlay's interpreter says of itself."""
        if isinstance(self._asked_state, Skipped):
            raise self._asked_state
        return self._asked_state

    @cached_property
    def _asked_state(self) -> State | Skipped:
        try:
            return interpreter.as_state(self.ask("state"))
        except Skipped as skipped:  # kept: asking again could take as long
            return skipped

    @cached_property
    def siblings(self) -> list[str]:
        """The roots of the repository's other worktrees, as `git worktree list` has them; real paths."""
        listed = self.git("worktree", "list", "--porcelain")
        if listed.code != 0:
            raise Skipped(listed.failure)
        entries = [[line.partition(" ") for line in entry.splitlines()] for entry in listed.out.split("\n\n")]
        # A bare repository holds no code, and the folder of a prunable worktree is gone.
        checkouts = [entry for entry in entries if not {"bare", "prunable"}.intersection(word for word, _, _ in entry)]
        roots = [os.path.realpath(path) for entry in checkouts for word, _, path in entry if word == "worktree"]
        return [root for root in roots if root != self.root]

    @cached_property
    def own_roots(self) -> list[str]:
        """The roots of this worktree and of those that it is a submodule of; real paths."""
        return worktrees.own_roots(self.root)

    def sibling_of(self, path: str) -> str | None:
        """Return the root of the sibling worktree that a path lies in, or None; git itself is not asked."""
        pair = worktrees.find_sibling(path, self.own_roots)
        return None if pair is None else pair[1]

    @cached_property
    def editables_of_siblings(self) -> list[SiblingEditable]:
        """The base's editables that are a sibling's code, and that the overlay has nothing to put in the place of."""
        base, overlay = self.base_site_packages, self.site_packages
        return list(sibling_editables.find(base, overlay, self.config.editables, self.own_roots))

    def run(self, command: list[str]) -> Ran:
        """Run a command as `devpy COMMAND` would; the overlay is not brought up to date for it.

        :param command: the program, by its absolute path, and its arguments
        """
        return programs.run(*self._environment.prepare(command, extra=_UNWRITTEN), self.root)

    def run_plainly(self, command: list[str]) -> Ran:
        """Run a command as if the caller had typed it without devpy.

        :param command: the program, by its absolute path, and its arguments
        """
        return programs.run(command, {**self.environ, **_UNWRITTEN}, self.root)

    def git(self, *arguments: str) -> Ran:
        """Run git at the worktree root."""
        if shutil.which("git", path=self.environ.get("PATH", os.defpath)) is None:
            raise Skipped("git is not on PATH")
        return programs.run(["git", *arguments], self.environ, self.root)

    def ask(self, *task: str) -> Any:
        """Have the overlay's interpreter answer one of the tasks of `probe.py`."""
        return interpreter.parse(self.run([self.python, interpreter.PROGRAM, *task]))

    def import_packages(self, paths: list[str]) -> dict[str, list[Any] | Skipped]:
        """Have the overlay's interpreter import what editables provide, all in one process.

        One that ends the process has the rest imported in another one.

        :param paths: their folders, real paths
        :return: for each, the modules as `probe.py` tells of them, or why there is no answer
        """
        answers: dict[str, list[Any] | Skipped] = {}
        remaining = list(paths)
        while remaining:
            ran = self.run([self.python, interpreter.PROGRAM, "import", *remaining])
            found = interpreter.parse_each(ran)
            answers.update((path, answer["modules"]) for path, answer in zip(remaining, found))
            remaining = remaining[len(found) :]
            if remaining:
                answers[remaining.pop(0)] = Skipped(f"the overlay's Python {ran.failure}")
        return answers

    def activate(self) -> Environment:
        """Work out the environment that `devpy COMMAND` gives a command.

        :raises DevpyError: if what the base sets on activation is broken
        """
        base, settings = self.record.base, read_settings(self.environ)
        variables = overlay_variables(self.config, self.root, base)
        return worktree_environment(self.config.venv, base, settings, variables, self.root, self.environ)

    @cached_property
    def _environment(self) -> Environment:
        return _or_skip("the base cannot be activated", self.activate)


def _or_skip(reason: str, look_up: Callable[[], T]) -> T:
    try:
        return look_up()
    except DevpyError as error:
        raise Skipped(reason) from error
