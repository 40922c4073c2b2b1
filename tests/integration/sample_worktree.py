"""A worktree with one package that builds quickly, and the question whether its overlay is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .commands import Devpy, Result
from .environments import CondaEnvironment
from .projects import MakeRepository

TOML = '[python]\nbase_conda_env = "{base}"\n[editables]\npackages = ["self-built"]\n'
ORIGIN = "import sample_self_built; print(sample_self_built.origin())"

# Prints what the import, the console script and the metadata lead to, each once.
_EVERYTHING = """
import importlib.metadata, subprocess, sample_self_built
print(sample_self_built.origin())
print(subprocess.run(["sample-self-built"], stdout=subprocess.PIPE, check=True, text=True).stdout.strip())
for found in importlib.metadata.distributions():
    if found.metadata["Name"] == "sample-self-built":
        print(found.version, [point.value for point in found.entry_points])
"""


def full() -> bool:
    """Tell whether the tests shall take the time that they need, rather than what fits into every run of them all."""
    return os.environ.get("DEVPY_FULL_MATRIX") == "1"


def make(path: Path, repository: MakeRepository, base: CondaEnvironment) -> Path:
    """Make a worktree without an overlay and return its root.

    :param path: the folder to make
    """
    return repository(path, "self-built", files={"devpy.toml": TOML.format(base=base.name)})


def own_module(root: Path) -> str:
    """Return the file that the worktree's package is to be imported from."""
    return str(root / "self-built" / "src" / "sample_self_built" / "__init__.py")


def state(devpy: Devpy, root: Path) -> tuple[str, str]:
    """Return what `devpy info` says of the overlay: its state, and why."""
    facts = json.loads(devpy("info", "--json", cwd=root).out)
    return facts["overlay state"], "; ".join(facts["overlay reasons"])


def builds(root: Path) -> int:
    """Count how often the worktree's package has been built."""
    return len((root / "self-built" / "builds.txt").read_text("utf-8").splitlines())


def start(*arguments: str, root: Path, environ: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start devpy in a session of its own; what it prints is to be had from `communicate`."""
    return subprocess.Popen(
        [sys.executable, "-m", "devpy_runner", *arguments],
        cwd=root,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wrong(devpy: Devpy, root: Path) -> str:
    """Run a command and say what is wrong with the overlay after that; empty if nothing is."""
    result = devpy("python", "-c", _EVERYTHING, cwd=root)
    own = own_module(root)
    if (result.code, result.out.splitlines()) != (0, [own, own, "1.0 ['sample_self_built:main']"]):
        return _told(result)
    after = devpy("info", cwd=root)
    return "" if "overlay state: current" in after.out else _told(after)


def _told(result: Result) -> str:
    return f"exit code {result.code}: {result.out}{result.err}"
