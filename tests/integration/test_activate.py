"""`source .venv/bin/activate`: the environment of `devpy`, in the shell, until `deactivate`."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from .commands import Devpy, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository

Environ = dict[str, str]  # the variables of a process

CONFIG = """\
[python]
base_conda_env = "{base}"

[editables]
packages = ["."]

[env]
SAMPLE_ROOT = "{{root}}/data"
SAMPLE_ODD = "it's $HOME, \\\\ and \\"é\\"\\nnext line "
DEVPY_TEST_ACTIVATED = "from devpy.toml"
"""
ACTIVATE = "source .venv/bin/activate"
DEVPY = shlex.join([sys.executable, "-E", "-m", "devpy_runner"])

# The prompt is virtualenv's, and `_` the program that runs; devpy starts its command at the worktree root.
DIFFERENT = {"VIRTUAL_ENV_PROMPT", "PS1", "_", "PWD", "OLDPWD"}


class Session(NamedTuple):
    """What happened in a shell."""

    seen: list[Environ]
    """What each `env` that ran in it saw."""
    err: str


class Shell(NamedTuple):
    """A shell and how to call it."""

    name: str
    options: Sequence[str]

    def __call__(self, cwd: Path, environ: Environ, *lines: str) -> Session:
        """Run the lines as a script; `env` is short for noting what a program sees, `activate` for sourcing.

        :param cwd: where the shell starts
        """
        program = shutil.which(self.name)
        if program is None:
            pytest.skip(f"no {self.name} on this machine")
        short = {"env": "env -0; printf 'end\\0'", "devpy env": f"{DEVPY} env -0; printf 'end\\0'"}
        text = "\n".join(short.get(line, line.replace("bin/activate", self.script)) for line in lines)
        result = run([program, *self.options, "-c", text], cwd=cwd, environ=environ)
        assert result.code == 0
        return Session([_parse(part) for part in result.out.split("end\0")[:-1]], result.err)

    @property
    def script(self) -> str:
        return "bin/activate.fish" if self.name == "fish" else "bin/activate"


def _parse(text: str) -> Environ:
    return dict(entry.partition("=")[::2] for entry in text.split("\0") if entry)


def comparable(variables: Environ) -> Environ:
    """Leave out what is different by intention."""
    # Fish exports what virtualenv's activation saves.
    return {name: value for name, value in variables.items() if not name.startswith("_OLD_") and name not in DIFFERENT}


@pytest.fixture(params=[("bash", []), ("zsh", ["-f"]), ("fish", [])], ids=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest) -> Shell:
    return Shell(*request.param)


@pytest.fixture
def bash() -> Shell:
    return Shell("bash", [])


@pytest.fixture(scope="module")
def environment(make_conda_env: MakeCondaEnv) -> CondaEnvironment:
    """One with activation scripts and variables."""
    return make_conda_env("run", packages=["pip", "activation-scripts"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, environment: CondaEnvironment, devpy_environ: Environ) -> Path:
    """A worktree whose overlay is current, beside another one called `feature`; tests leave both as they are."""
    path = tmp_path_factory.mktemp("activate") / "ma in"
    repository = MakeRepository(devpy_environ)
    repository(path, root="console-script", files={"devpy.toml": CONFIG.format(base=environment.name), "deep/er/a": ""})
    other = repository.worktree(path, "feature")
    for folder in (path, other):
        assert Devpy(devpy_environ)("update-editables", cwd=folder).code == 0
    return path


@pytest.fixture
def feature(root: Path) -> Path:
    return root.parent / "feature"


def inside_devpy(folder: Path, environ: Environ) -> Environ:
    """Return the variables in a shell that devpy has started in a worktree."""
    return _parse(Devpy(environ)("env", "-0", cwd=folder).out)


# The same environment


CALLERS = {
    "clean": {},
    "others set": {"DEVPY_TEST_CONFIG": "it's\n$HOME", "LD_LIBRARY_PATH": "/lib", "SAMPLE_ROOT": "", "PS1": "> "},
    "virtualenvs set": {"PYTHONHOME": "", "PKG_CONFIG_PATH": "", "VIRTUAL_ENV": "/gone", "VIRTUAL_ENV_PROMPT": "gone"},
    "level": {"CONDA_SHLVL": "3"},
}


@pytest.mark.parametrize("caller", CALLERS)
def test_same_environment_as_devpys_until_deactivate(
    shell: Shell, root: Path, devpy_environ: Environ, caller: str
) -> None:
    environ = {**devpy_environ, **CALLERS[caller]}
    before, wanted, active, after = shell(root, environ, "env", "devpy env", ACTIVATE, "env", "deactivate", "env").seen
    assert comparable(active) == comparable(wanted)
    assert after == before
    assert active["SAMPLE_ODD"] == 'it\'s $HOME, \\ and "é"\nnext line '
    front = f"{root}/.venv/bin:{root}/.venv/lib/devpy/bin:{active['CONDA_PREFIX']}/bin:"
    assert active["PATH"].startswith(front)


def test_from_an_active_conda_environment(
    shell: Shell, root: Path, devpy_environ: Environ, conda_root: Path, environment: CondaEnvironment
) -> None:
    for prefix in (conda_root, environment.prefix):
        environ = {**devpy_environ, "CONDA_PREFIX": str(prefix), "CONDA_SHLVL": "1", "DEVPY_TEST_ACTIVATED": "before"}
        environ["PATH"] = f"{prefix}/bin:{devpy_environ['PATH']}"
        lines = ["env", "devpy env", ACTIVATE, "env", "deactivate", "env"]
        before, wanted, active, after = shell(root, environ, *lines).seen
        assert comparable(active) == comparable(wanted)
        assert after == before


@pytest.mark.parametrize("place", ["this", "other"])
def test_inside_a_shell_started_by_devpy(
    shell: Shell, root: Path, feature: Path, devpy_environ: Environ, place: str
) -> None:
    environ = inside_devpy(root if place == "this" else feature, devpy_environ)
    before, wanted, active, after = shell(root, environ, "env", "devpy env", ACTIVATE, "env", "deactivate", "env").seen
    assert comparable(active) == comparable(wanted)
    assert after == before
    assert active["PATH"].count(".venv/bin") == 1


def test_activating_twice(shell: Shell, root: Path, devpy_environ: Environ) -> None:
    lines = ["env", ACTIVATE, "env", ACTIVATE, "env", "deactivate", "env"]
    before, once, twice, after = shell(root, devpy_environ, *lines).seen
    assert comparable(twice) == comparable(once)
    assert after == before


def test_activating_another_worktrees_overlay(shell: Shell, root: Path, feature: Path, devpy_environ: Environ) -> None:
    lines = ["env", "devpy env", f"source '{feature}/.venv/bin/activate'", ACTIVATE, "env", "deactivate", "env"]
    before, wanted, active, after = shell(root, devpy_environ, *lines).seen
    assert comparable(active) == comparable(wanted)
    assert after == before


def test_from_elsewhere(shell: Shell, root: Path, feature: Path, devpy_environ: Environ) -> None:
    (wanted,) = shell(root, devpy_environ, "devpy env").seen
    for folder, venv in (
        (root / "deep" / "er", "../../.venv"),
        (feature, f"{root}/.venv"),
        (Path("/"), f"{root}/.venv"),
    ):
        before, active, after = shell(
            folder, devpy_environ, "env", f"source '{venv}/bin/activate'", "env", "deactivate", "env"
        ).seen
        assert comparable(active) == comparable(wanted)
        assert after == before


def test_programs_are_the_overlays(shell: Shell, root: Path, devpy_environ: Environ) -> None:
    check = 'python -c "import sample_console_script as m, sys; print(m.__file__, sys.prefix, file=sys.stderr)"'
    assert shell(root, devpy_environ, ACTIVATE, check).err == (
        f"{root}/src/sample_console_script/__init__.py {root}/.venv\n"
    )


@pytest.mark.parametrize("options", ["-e", "-u", "-eu"])
@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_strict_shells(name: str, options: str, root: Path, devpy_environ: Environ) -> None:
    shell = Shell(name, ["-f", options] if name == "zsh" else [options])
    session = shell(root, devpy_environ, "env", ACTIVATE, ACTIVATE, "deactivate", "env")
    assert session.seen[0] == session.seen[1]
    assert session.err == ""


def test_callers_python_settings_do_not_matter(
    shell: Shell, root: Path, tmp_path: Path, devpy_environ: Environ
) -> None:
    for name in ("devpy_runner", "shlex", "subprocess", "yaml"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not to be imported')\n", encoding="utf-8")
    environ = {**devpy_environ, "PYTHONPATH": str(tmp_path), "PYTHONHOME": str(tmp_path)}
    session = shell(tmp_path, environ, f"source '{root}/.venv/bin/activate'", "env")
    assert session.err == ""
    assert session.seen[0]["SAMPLE_ROOT"] == f"{root}/data"


# The overlay


@pytest.mark.slow
def test_overlay_is_brought_up_to_date(
    shell: Shell, tmp_path: Path, devpy: Devpy, devpy_environ: Environ, environment: CondaEnvironment
) -> None:
    root = worktree(tmp_path / "main", environment, devpy_environ)
    assert devpy("update-editables", cwd=root).code == 0
    moved = root.rename(tmp_path / "moved")
    session = shell(moved, devpy_environ, "env", ACTIVATE, "env", "deactivate", "env")
    before, active, after = session.seen
    (wanted,) = shell(moved, devpy_environ, "devpy env").seen
    assert f"moved or copied from {root}/.venv" in session.err
    assert comparable(active) == comparable(wanted)
    assert after == before
    assert shell(moved, devpy_environ, ACTIVATE).err == ""


def test_no_sync(
    bash: Shell, tmp_path: Path, devpy: Devpy, devpy_environ: Environ, environment: CondaEnvironment
) -> None:
    root = worktree(tmp_path / "main", environment, devpy_environ)
    assert devpy("update-editables", cwd=root).code == 0
    (root / "devpy.toml").write_text(CONFIG.format(base=environment.name).replace('["."]', "[]"), encoding="utf-8")
    session = bash(root, {**devpy_environ, "DEVPY_NO_SYNC": "1"}, ACTIVATE, "env")
    assert f"devpy: warning: {root}/.venv is stale" in session.err
    assert session.seen[0]["SAMPLE_ROOT"] == f"{root}/data"


def worktree(path: Path, environment: CondaEnvironment, environ: Environ) -> Path:
    files = {"devpy.toml": CONFIG.format(base=environment.name)}
    return MakeRepository(environ)(path, root="console-script", files=files)


def test_stack_counts_the_repository_that_the_shell_is_in(
    bash: Shell, tmp_path: Path, devpy_environ: Environ, repository: MakeRepository, environment: CondaEnvironment
) -> None:
    stack = f'[devpy]\nkind = "stack"\n[python]\nbase_conda_env = "{environment.name}"\nvenv = ".devpy/.venv"\n'
    (tmp_path / "devpy.stack.toml").write_text(stack + '[env]\nROOT = "{root}"\n', encoding="utf-8")
    for name in ("one", "two"):
        repository(tmp_path / name, files={"devpy.toml": '[devpy]\nextends = "../devpy.stack.toml"\n'})
        (wanted,) = bash(tmp_path / name, devpy_environ, "devpy env").seen
        (active,) = bash(tmp_path / name, devpy_environ, "source ../.devpy/.venv/bin/activate", "env").seen
        assert comparable(active) == comparable(wanted)
        assert active["ROOT"] == str(tmp_path / name)
    session = bash(tmp_path, devpy_environ, "source .devpy/.venv/bin/activate", "env")
    assert "not the overlay of this worktree" in session.err
    assert "CONDA_PREFIX" not in session.seen[0]


# When devpy cannot help


def test_without_devpy_it_is_virtualenvs_activation(
    shell: Shell, tmp_path: Path, devpy: Devpy, devpy_environ: Environ, environment: CondaEnvironment
) -> None:
    root = worktree(tmp_path / "main", environment, devpy_environ)
    assert devpy("update-editables", cwd=root).code == 0
    script = root / ".venv" / shell.script
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace(sys.executable, f"{tmp_path}/gone"), encoding="utf-8")
    session = shell(root, devpy_environ, "env", ACTIVATE, "env", "deactivate", "env")
    before, active, after = session.seen
    assert session.err.startswith("devpy: warning: the conda environment is not activated")
    assert session.err.count("\n") == 1
    assert active["VIRTUAL_ENV"] == f"{root}/.venv"
    assert active["PATH"] == f"{root}/.venv/bin:{before['PATH']}"
    assert "CONDA_PREFIX" not in active
    assert after == before


def test_broken_config_is_told(
    shell: Shell, tmp_path: Path, devpy: Devpy, devpy_environ: Environ, environment: CondaEnvironment
) -> None:
    root = worktree(tmp_path / "main", environment, devpy_environ)
    assert devpy("update-editables", cwd=root).code == 0
    (root / "devpy.toml").write_text("[python\n", encoding="utf-8")
    session = shell(root, devpy_environ, ACTIVATE, "env")
    assert f"{root}/devpy.toml" in session.err
    assert "devpy: warning: the conda environment is not activated" in session.err
    assert session.seen[0]["VIRTUAL_ENV"] == f"{root}/.venv"


def test_script_that_ends_its_shell_does_not_end_the_users(
    shell: Shell,
    tmp_path: Path,
    devpy: Devpy,
    devpy_environ: Environ,
    make_conda_env: MakeCondaEnv,
    environment: CondaEnvironment,
) -> None:
    clone = make_conda_env.clone(environment, f"ending-{shell.name}")
    script = clone.prefix / "etc" / "conda" / "activate.d" / "zz.sh"
    root = worktree(tmp_path / "main", clone, devpy_environ)
    assert devpy("update-editables", cwd=root).code == 0
    script.write_text("echo printed\nf() { :; }\nexport RAW=$'\\xff'\n", encoding="utf-8")
    session = shell(root, devpy_environ, "devpy env", ACTIVATE, "env")
    assert comparable(session.seen[0]) == comparable(session.seen[1])
    assert "RAW" in session.seen[1]
    script.write_text("exit 3\n", encoding="utf-8")
    session = shell(root, devpy_environ, ACTIVATE, "env")
    assert f"{script}: ended the shell with status 3" in session.err
    assert session.seen[0]["VIRTUAL_ENV"] == f"{root}/.venv"


def test_what_a_script_leaves_running_is_not_waited_for(
    bash: Shell, tmp_path: Path, devpy_environ: Environ, make_conda_env: MakeCondaEnv, environment: CondaEnvironment
) -> None:
    clone = make_conda_env.clone(environment, "background")
    root = worktree(tmp_path / "main", clone, devpy_environ)
    assert bash(root, devpy_environ, f"{DEVPY} true").err
    script = clone.prefix / "etc" / "conda" / "activate.d" / "zz.sh"
    script.write_text(f"(until [ -e '{tmp_path}/stop' ]; do sleep 0.1; done) >/dev/null 2>&1 &\n", encoding="utf-8")
    try:
        assert bash(root, devpy_environ, ACTIVATE, "env").seen[0]["SAMPLE_ROOT"] == f"{root}/data"
    finally:
        (tmp_path / "stop").touch()


def test_scripts_for_other_shells_are_virtualenvs(root: Path) -> None:
    for name in ("activate.csh", "activate.nu", "activate.ps1"):
        assert "Made by devpy" not in (root / ".venv" / "bin" / name).read_text(encoding="utf-8")
