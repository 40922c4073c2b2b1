"""Whether the conda environment is there, and has what an overlay needs."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING, Any

from devpy_virtualenv_plugin import OLDEST_PYTHON

from ...base.prefix import python_version
from ...plugin import FAILED, OK, Verdict, hookimpl
from ...programs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import WorktreeSetup

_FACTS = """\
import json, platform
try:
    from pip import __version__ as pip
except ImportError:
    pip = ""
print(json.dumps({"python": platform.python_version(), "pip": pip}))
"""


@hookimpl
def devpy_check(setup: WorktreeSetup) -> Iterator[Verdict]:
    """See `hooks.devpy_check`; whether it is there is told by whoever finds it."""
    prefix = setup.find_base()
    install = f"conda install -p {shlex.quote(prefix)}"
    python = _python(prefix)
    ran = run([python, "-I", "-B", "-c", _FACTS], {**setup.environ, "LC_ALL": "C.UTF-8"}, setup.root)
    if ran.code != 0:
        yield Verdict("base", FAILED, f"{python}: {ran.failure}", f"{install} --force-reinstall python")
        return
    facts: dict[str, Any] = json.loads(ran.out.rstrip().rpartition("\n")[2])
    problems = list(_problems(prefix, facts, install))
    yield from problems
    if not problems:
        yield Verdict("base", OK, f"{prefix}: Python {facts['python']}, pip {facts['pip']}")


def _python(prefix: str) -> str:
    """Return the base's interpreter, absolute: what an overlay that is up to date links to."""
    version = (python_version(prefix) or "").split(".")[:2]
    return os.path.join(prefix, "bin", f"python{'.'.join(version)}")


def _problems(prefix: str, facts: dict[str, Any], install: str) -> Iterator[Verdict]:
    if tuple(map(int, facts["python"].split(".")[:2])) < OLDEST_PYTHON:
        wanted = "python>={}.{}".format(*OLDEST_PYTHON)
        yield Verdict("base", FAILED, f"{prefix}: Python {facts['python']} is too old", f"{install} '{wanted}'")
    if not facts["pip"]:
        yield Verdict("base", FAILED, f"{prefix} has no pip", f"{install} pip")
