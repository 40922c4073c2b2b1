"""What all worktrees share and one of them has installed: git hooks and Jupyter kernels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from .commands import Devpy, Result, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository
from .sample_worktree import TOML, full, own_module

Environ = dict[str, str]  # the variables of a process

COMMITS = 10 if full() else 3
HOOKS = """\
repos:
- repo: local
  hooks:
  - {id: own, name: own, language: system, always_run: true, entry: sh -c 'sample-self-built >> tested'}
"""
IDENTITY = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.invalid",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.invalid",
}


class Worktrees(NamedTuple):
    """A repository with one more worktree, and a hook that pre-commit has installed from the first."""

    main: Path
    feature: Path
    environ: Environ

    @property
    def hook(self) -> Path:
        return self.main / ".git" / "hooks" / "pre-commit"

    def commit(self, root: Path, *devpy: str) -> str:
        """Commit in a worktree, and return the file that its hook has tested."""
        tested = root / "tested"
        result = self.run(root, *devpy, "git", "commit", "--quiet", "--allow-empty", "--message=more")
        assert result.code == 0, result.err
        origin = tested.read_text(encoding="utf-8").strip()
        tested.unlink()
        return origin

    def run(self, root: Path, *command: str) -> Result:
        return run([*command], cwd=root, environ=self.environ)

    def shared(self, root: Path, **environ: str) -> list[tuple[str, str, str]]:
        """Return state, text and mend of what doctor says of what is shared."""
        result = Devpy({**self.environ, **environ})("doctor", "--json", cwd=root)
        found = [verdict for verdict in json.loads(result.out)["verdicts"] if verdict["check"] == "siblings"]
        return [(verdict["state"], verdict["text"], verdict["mend"]) for verdict in found]


@pytest.fixture(scope="module")
def worktrees(
    tmp_path_factory: pytest.TempPathFactory,
    make_conda_env: MakeCondaEnv,
    conda_env: CondaEnvironment,
    devpy_environ: Environ,
) -> Worktrees:
    base = make_conda_env.clone(conda_env, "hooks")
    pip = [str(base.python), "-m", "pip", "install", "--quiet", "pre-commit"]
    assert run(pip, cwd=base.prefix, environ=devpy_environ).code == 0
    repository, devpy = MakeRepository(devpy_environ), Devpy(devpy_environ)
    files = {"devpy.toml": TOML.format(base=base.name), ".pre-commit-config.yaml": HOOKS, ".gitignore": "tested\n"}
    main = repository(tmp_path_factory.mktemp("hooks") / "main", "self-built", files=files)
    feature = repository.worktree(main, "feature")
    for root in (main, feature):
        assert devpy("update-editables", cwd=root).code == 0
    assert devpy("pre-commit", "install", cwd=main).code == 0
    made = Worktrees(main, feature, {**devpy_environ, **IDENTITY})
    assert f"{main}/.venv/bin/python" in made.hook.read_text(encoding="utf-8")
    return made


def test_a_hook_that_one_worktree_has_installed_tests_the_worktree_that_commits(worktrees: Worktrees) -> None:
    tested = [worktrees.commit(worktrees.feature, "devpy") for _ in range(COMMITS)]
    assert tested == [own_module(worktrees.feature)] * COMMITS
    assert worktrees.commit(worktrees.main, "devpy") == own_module(worktrees.main)


def test_doctor_names_the_hook_and_its_mend_serves_a_plain_commit_in_every_worktree(worktrees: Worktrees) -> None:
    before = worktrees.hook.read_text(encoding="utf-8")
    assert worktrees.commit(worktrees.feature) == own_module(worktrees.main)  # as doctor says
    for root in (worktrees.main, worktrees.feature):
        ((state, text, mend),) = worktrees.shared(root)
        assert state == "warning"
        assert f"the hook {worktrees.hook} " in text
        assert text.endswith(f"on the overlay of {worktrees.main}")
    assert worktrees.run(worktrees.feature, "sh", "-c", mend).code == 0
    try:
        assert worktrees.commit(worktrees.feature) == own_module(worktrees.feature)
        assert worktrees.commit(worktrees.main) == own_module(worktrees.main)
        ((state, text, _),) = worktrees.shared(worktrees.feature)
        assert (state, text) == ("ok", "nothing leads into the other worktree")
    finally:
        worktrees.hook.write_text(before, encoding="utf-8")


def test_doctor_names_a_kernel_that_runs_one_worktrees_code(worktrees: Worktrees, tmp_path: Path) -> None:
    (tmp_path / "kernels" / "mine").mkdir(parents=True)
    file = tmp_path / "kernels" / "mine" / "kernel.json"
    argv = [f"{worktrees.feature}/.venv/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    file.write_text(json.dumps({"argv": argv, "display_name": "mine"}), encoding="utf-8")
    _, found = worktrees.shared(worktrees.main, JUPYTER_PATH=str(tmp_path))
    text = f"the Jupyter kernel {file} is offered to all, but runs on the overlay of {worktrees.feature}"
    assert found == ("warning", text, "jupyter kernelspec remove mine")
    file.write_text("[", encoding="utf-8")
    assert len(worktrees.shared(worktrees.main, JUPYTER_PATH=str(tmp_path))) == 1


def test_hooks_that_a_worktree_keeps_for_itself_may_lead_into_its_overlay(worktrees: Worktrees) -> None:
    folder = worktrees.feature / "hooks"
    folder.mkdir()
    (folder / "pre-push").write_text(f"#!{worktrees.feature}/.venv/bin/python\n", encoding="utf-8")
    ours = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": "hooks"}
    ((state, _, _),) = worktrees.shared(worktrees.feature, **ours)
    assert state == "ok"
    (folder / "pre-push").write_text(f"#!{worktrees.main}/.venv/bin/python\n", encoding="utf-8")
    ((state, text, mend),) = worktrees.shared(worktrees.feature, **ours)
    assert (state, f"the hook {folder}/pre-push " in text) == ("warning", True)
    assert mend.startswith(f"have {folder}/pre-push start `devpy python`")
