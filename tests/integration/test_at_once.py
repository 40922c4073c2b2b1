"""Several devpys at once on one overlay: one makes it, the others wait, and none sees it half made."""

from __future__ import annotations

import os
import random
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import sample_worktree
from .commands import Devpy, Result
from .environments import CondaEnvironment
from .projects import MakeRepository
from .sample_worktree import ORIGIN, builds, full, own_module, start, wrong

pytestmark = pytest.mark.slow

Environ = dict[str, str]  # the variables of a process

STACK = """\
[devpy]
kind = "stack"
[python]
base_conda_env = "{base}"
venv = ".venv"
[editables]
packages = ["one/self-built", "two/self-built"]
"""
POINTER = '[devpy]\nextends = "../stack.toml"\n'
UPDATES, RUNS = (16, 64) if full() else (4, 16)


@pytest.fixture
def root(tmp_path: Path, repository: MakeRepository, conda_env: CondaEnvironment) -> Path:
    """A worktree without an overlay."""
    return sample_worktree.make(tmp_path / "repository", repository, conda_env)


def at_once(commands: list[tuple[Path, list[str]]], environ: Environ) -> list[Result]:
    """Run devpy with each of the arguments in the folder before them, and return what all of them have printed."""
    with ExitStack() as stack:
        processes = [stack.enter_context(start(*command, root=root, environ=environ)) for root, command in commands]
        printed = [process.communicate() for process in processes]
    return [Result(process.returncode, *each) for process, each in zip(processes, printed)]


def assert_all_succeed(results: list[Result]) -> None:
    assert [result for result in results if result.code != 0] == []


def test_one_makes_it_for_all(root: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    commands = [["update-editables"]] * UPDATES + [["python", "-c", ORIGIN]] * RUNS
    results = at_once([(root, command) for command in commands], devpy_environ)
    assert_all_succeed(results)
    assert [result.out for result in results[UPDATES:]] == [f"{own_module(root)}\n"] * RUNS
    assert "".join(result.err for result in results).count("devpy: creating") == 1
    assert builds(root) == 1
    assert wrong(devpy, root) == ""


def test_repositories_of_one_stack(
    tmp_path: Path, repository: MakeRepository, conda_env: CondaEnvironment, devpy_environ: Environ
) -> None:
    roots = [repository(tmp_path / name, "self-built", files={"devpy.toml": POINTER}) for name in ("one", "two")]
    (tmp_path / "stack.toml").write_text(STACK.format(base=conda_env.name), encoding="utf-8")
    rename(roots[1] / "self-built", "sample_self_built", "sample_other")
    script = "import sample_self_built, sample_other; print(sample_self_built.origin(), sample_other.origin())"
    commands = [["update-editables"]] * (UPDATES // 2) + [["python", "-c", script]] * (RUNS // 2)
    results = at_once([(root, command) for command in commands for root in roots], devpy_environ)
    assert_all_succeed(results)
    other = roots[1] / "self-built" / "src" / "sample_other" / "__init__.py"
    shown = [result.out for result in results if "sample_other" in result.out]
    assert shown == [f"{own_module(roots[0])} {other}\n"] * (RUNS // 2 * 2)
    assert [builds(root) for root in roots] == [1, 1]


def rename(package: Path, module: str, new: str) -> None:
    """Give a package that is built by itself another name."""
    (package / "src" / module).rename(package / "src" / new)
    file = package / "pyproject.toml"
    text = file.read_text("utf-8").replace(module.replace("_", "-"), new.replace("_", "-"))
    file.write_text(text, encoding="utf-8")


def test_clean_at_the_same_time(root: Path, devpy: Devpy, devpy_environ: Environ) -> None:
    """Whoever loses says so; what is left is made good by the next one."""
    commands = [["clean"], ["update-editables"], ["true"], ["clean"], ["info"], ["update-editables"]]
    for number in range(60 if full() else 6):
        draw = random.Random(number)  # noqa: S311 - the same moments every time
        with ExitStack() as stack:
            processes: list[subprocess.Popen[str]] = []
            for command in draw.sample(commands, len(commands)):
                processes.append(stack.enter_context(start(*command, root=root, environ=devpy_environ)))
                time.sleep(draw.choice([0, 0.05, 0.3]))
            printed = [process.communicate() for process in processes]
        for process, (_, err) in zip(processes, printed):
            assert "Traceback" not in err, (number, process.args, err)
            assert process.returncode == 0 or (process.returncode == 2 and err.startswith("devpy: ")), (number, err)
            assert "was not made by devpy" not in err
        assert wrong(devpy, root) == "", number
    assert devpy("clean", cwd=root).code == 0
    assert not os.path.lexists(root / ".venv")
