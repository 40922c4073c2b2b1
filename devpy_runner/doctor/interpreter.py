"""What the overlay's interpreter says of itself: the answers of `probe.py`, which runs in it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from ..plugin import Skipped
from . import probe

if TYPE_CHECKING:
    from ..programs import Ran

PROGRAM = os.path.abspath(probe.__file__)
"""The file to run; its task follows."""


class Module(NamedTuple):
    """A module that an editable provides."""

    name: str
    expected: str
    """The file, or the folder of a namespace, that an import would give with the overlay alone; a real path."""
    actual: str
    """What an import gives; a real path, empty if it finds nothing."""
    error: str = ""
    """The last line of the error, if an import was tried and failed."""
    is_distributed: bool = True
    """Whether the package's metadata says that it provides it; what may be a script beside it is not imported."""


class Package(NamedTuple):
    """An editable in the overlay."""

    name: str
    path: str
    """Its folder, a real path."""
    modules: list[Module]
    is_without_modules: bool = False
    """Whether it certainly provides nothing to import."""
    error: str = ""
    """What its finder has failed with, in one line; empty if it has not."""


class Entry(NamedTuple):
    """An entry of `sys.path`, or a finder."""

    name: str
    """The entry, absolute; or the finder's module and name."""
    paths: list[str]
    """Where it leads to; real paths."""
    kind: str
    """Where it comes from, as `probe` calls it."""
    pth: str
    """The `.pth` file that has put it there, if one has."""

    @property
    def source(self) -> str:
        """Where it comes from, for the user."""
        return source(self.kind, self.pth)


class State(NamedTuple):
    """The interpreter, started as `devpy python` starts it."""

    environ: dict[str, str]
    entries: list[Entry]
    """Those of `sys.path`, then the finders."""
    packages: list[Package]


MADE_BY_ANOTHER_DEVPY = "the overlay was made by another devpy"
"""Why an interpreter that works may be unable to answer."""


def source(kind: str, pth: str) -> str:
    """Say where an entry of `sys.path` or a finder comes from."""
    names = {
        probe.OVERLAY: "the overlay's site-packages",
        probe.BASE: "the base's site-packages",
        probe.STDLIB: "Python itself",
        probe.PYTHONPATH: "PYTHONPATH",
    }
    return pth or names.get(kind, "code that runs when Python starts")


def parse(ran: Ran) -> Any:
    """Return what the probe has answered.

    :raises Skipped: if it has given no answer
    """
    try:
        return json.loads(ran.out.rstrip().rpartition("\n")[2]) if ran.code == 0 else _raise(ran)
    except ValueError:
        return _raise(ran)


def parse_each(ran: Ran) -> list[Any]:
    """Return the answers that the probe has given, which may have ended before the last one.

    What start-up files have printed before them is left out.
    """
    answers = []
    for line in ran.out.splitlines():
        with suppress(ValueError):
            answer = json.loads(line)
            answers += [answer] if isinstance(answer, dict) else []
    return answers


def _raise(ran: Ran) -> Any:
    if "No module named '_devpy_guard." in ran.err:
        raise Skipped(MADE_BY_ANOTHER_DEVPY)
    raise Skipped(f"the overlay's Python {ran.failure}")


def as_state(answer: Any) -> State:
    """Give names to what the task `state` has answered."""
    path = [Entry(e["entry"], [os.path.realpath(e["entry"])], e["kind"], e["pth"]) for e in answer["path"]]
    finders = [Entry(f["name"], f["paths"], f["kind"], f["pth"]) for f in answer["finders"]]
    return State(answer["environ"], [*path, *finders], as_packages(answer))


def as_packages(answer: Any) -> list[Package]:
    """Give names to the editables in an answer."""
    return [Package(**{**p, "modules": [Module(**module) for module in p["modules"]]}) for p in answer["packages"]]
