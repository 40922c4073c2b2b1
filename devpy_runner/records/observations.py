"""Noting what answers are drawn from, while they are worked out.

No list says what is read. The functions of `devpy_pip_guard.files` report every look at a file, and `_Environ` reports
every look at a variable. Of repeated looks the first one counts, since some of the answers may rest on it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import contextmanager
from time import time
from typing import TYPE_CHECKING

from devpy_pip_guard import files

from .run_cache import Evidence, format_gap

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATE, _KIND = files.state.__name__, files.kind.__name__
_YOUNG_SECONDS = 2.0
"""A file that has changed this recently may change again without a change of its time."""


@contextmanager
def observed(environ: Mapping[str, str]) -> Iterator[Observations]:
    """Note every look at a file or variable within this context.

    :param environ: the caller's environment variables; the context uses `Observations.environ` instead
    """
    observations = Observations(environ)
    files.observers.append(observations)
    try:
        yield observations
    finally:
        files.observers.remove(observations)


class Observations:
    """The looks that have been noted so far; an observer in the sense of `devpy_pip_guard.files`.

    :param environ: the caller's environment variables
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ: Mapping[str, str] = _Environ(environ, self)
        self._variables: dict[str, str | None] = {}
        self._looks: dict[str, dict[str, str]] = {look.__name__: {} for look in files.LOOKS}
        self._is_lasting = True

    def note(self, look: str, path: str, shown: str) -> None:
        """Note what a look has shown of a path."""
        if os.path.isabs(path):
            self._looks[look].setdefault(path, shown)
            self._is_lasting &= look != _STATE or not _is_young(shown)
        elif path:  # it depends on the current folder; an empty path never exists
            self._is_lasting = False

    def note_variable(self, name: str, value: str | None) -> None:
        """Note the value of one of the caller's variables, None if it is not set."""
        self._variables.setdefault(name, value)

    def note_all_variables(self) -> None:
        """Note a look at all variables, such as a plugin may take: the next caller has different ones."""
        self._is_lasting = False

    def evidence(self) -> Evidence | None:
        """Return the smallest set of looks that tells whether everything is unchanged.

        A missing file need not be looked for as long as the folder that it would be in has not changed.

        :return: None if a change could go unnoticed
        """
        if not self._is_lasting:
            return None
        states, missing = _split_by_presence(self._looks[_STATE])
        kinds, no_kinds = _split_by_presence(self._looks[_KIND])
        folders: dict[str, str] = {}
        gaps: dict[str, set[str]] = {}
        for path in {*missing, *no_kinds}.difference(states):
            folder, name = _gap(path)
            folders.setdefault(folder, files.state(folder))  # before the check that it is missing
            if os.path.lexists(os.path.join(folder, name)):  # a symlink that leads nowhere, or it has been made since
                kinds[path] = files.ABSENT
            elif folder not in states:
                gaps.setdefault(folder, set()).add(name)
        looks = {**self._looks, _STATE: states, _KIND: {path: kinds[path] for path in kinds if path not in states}}
        texts = {folder: format_gap(_trusted(folders[folder]), sorted(names)) for folder, names in gaps.items()}
        return Evidence(self._variables, looks, texts)


class _Environ(Mapping[str, str]):
    """The caller's variables; it notes every look at one."""

    def __init__(self, environ: Mapping[str, str], observations: Observations) -> None:
        self._environ = environ
        self._observations = observations

    def __getitem__(self, name: str) -> str:
        self._observations.note_variable(name, self._environ.get(name))
        return self._environ[name]

    def __iter__(self) -> Iterator[str]:
        self._observations.note_all_variables()
        return iter(self._environ)

    def __len__(self) -> int:
        self._observations.note_all_variables()
        return len(self._environ)


def _split_by_presence(shown: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return what a look has shown of the paths that exist, and the paths that are missing."""
    present = {path: text for path, text in shown.items() if text != files.ABSENT}
    return present, [path for path in shown if path not in present]


def _gap(path: str) -> tuple[str, str]:
    """Return the nearest existing folder above a missing path, and the name of what is missing in it."""
    folder, name = os.path.split(path)
    while not os.path.exists(folder):
        folder, name = os.path.split(folder)
    return folder, name


def _is_young(state: str) -> bool:
    changed_ns = int(state.rpartition(" ")[2]) if state != files.ABSENT else 0
    return changed_ns > (time() - _YOUNG_SECONDS) * 1e9


def _trusted(state: str) -> str:
    """Return a folder's state, or an empty text, which no folder's state is, if a change could go unnoticed."""
    return "" if _is_young(state) else state
