"""Stack configs: several repositories that share one overlay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest

from .commands import Devpy, clean_environ, run
from .environments import CondaEnvironment
from .projects import MakeRepository, copy_package

Environ = dict[str, str]  # the variables of a process

STACK = """\
[devpy]
kind = "stack"

[python]
base_conda_env = "{base}"
venv = ".devpy/backend/.venv"

[editables]
packages = ["api-service", "worker-service", "~/shared-library"]

[env]
SERVICE_ROOT = "{{root}}"
"""
POINTER = '[devpy]\nextends = "../devpy.backend.toml"\n'


class Workset(NamedTuple):
    """A folder with a stack config and two repositories."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "devpy.backend.toml"

    @property
    def venv(self) -> Path:
        return self.folder / ".devpy" / "backend" / ".venv"

    @property
    def api(self) -> Path:
        return self.folder / "api-service"

    @property
    def worker(self) -> Path:
        return self.folder / "worker-service"


@pytest.fixture(scope="module")
def devpy_environ(tmp_path_factory: pytest.TempPathFactory, pip_cache: Path, conda_root: Path) -> Environ:
    """One for the whole module, whose tests share their overlay; in its home lies a shared checkout."""
    home = tmp_path_factory.mktemp("home")
    copy_package("setuptools-src", home / "shared-library")
    return {**clean_environ(home, pip_cache), "CONDA_ENVS_DIRS": str(conda_root / "envs")}


@pytest.fixture
def make_workset(conda_env: CondaEnvironment, devpy_environ: Environ) -> Callable[[Path], Workset]:
    return lambda folder: _make_workset(folder, conda_env, devpy_environ)


@pytest.fixture(scope="module")
def workset(tmp_path_factory: pytest.TempPathFactory, conda_env: CondaEnvironment, devpy_environ: Environ) -> Workset:
    """A workset whose overlay has been made from the first repository; tests only read it."""
    made = _make_workset(tmp_path_factory.mktemp("worksets") / "my-feature", conda_env, devpy_environ)
    assert Devpy(devpy_environ)("update-editables", cwd=made.api).code == 0
    return made


def _make_workset(folder: Path, conda_env: CondaEnvironment, environ: Environ) -> Workset:
    workset = Workset(folder)
    repository = MakeRepository(environ)
    repository(workset.api, root="flit", files={"devpy.toml": POINTER, "deep/er/file": ""})
    repository(workset.worker, root="console-script", files={"devpy.toml": POINTER})
    workset.config.write_text(STACK.format(base=conda_env.name), encoding="utf-8")
    return workset


def info(devpy: Devpy, root: Path) -> dict[str, Any]:
    result = devpy("info", "--json", cwd=root)
    assert result.code == 0
    facts: dict[str, Any] = json.loads(result.out)
    return facts


@pytest.mark.parametrize("service", ["api-service", "worker-service"])
def test_info_from_each_repository(
    workset: Workset, conda_env: CondaEnvironment, devpy: Devpy, devpy_environ: Environ, service: str
) -> None:
    root = workset.folder / service
    facts = info(devpy, root)
    assert facts["project root"] == facts["command cwd"] == str(root)
    assert facts["entry config"] == str(root / "devpy.toml")
    assert facts["effective config"] == str(workset.config)
    assert facts["config kind"] == "stack"
    assert facts["shared venv"] is True
    assert facts["config root"] == facts["env root"] == str(workset.folder)
    assert facts["base prefix"] == str(conda_env.prefix)
    assert facts["venv"] == str(workset.venv)
    assert facts["overlay state"] == "current"
    library = Path(devpy_environ["HOME"]) / "shared-library"
    paths = [workset.api, workset.worker, library]
    assert facts["editable packages"] == [{"path": str(path), "state": "installed"} for path in paths]


@pytest.mark.parametrize("service", ["api-service", "worker-service"])
def test_commands_run_at_the_active_repositorys_root(workset: Workset, devpy: Devpy, service: str) -> None:
    root = workset.folder / service
    assert devpy("pwd", cwd=root).out == f"{root}\n"


def test_commands_run_at_the_root_from_a_subfolder(workset: Workset, devpy: Devpy) -> None:
    assert devpy("pwd", cwd=workset.api / "deep" / "er").out == f"{workset.api}\n"


@pytest.mark.parametrize("service", ["api-service", "worker-service"])
def test_root_placeholder_is_the_active_repositorys(workset: Workset, devpy: Devpy, service: str) -> None:
    root = workset.folder / service
    assert devpy("printenv", "SERVICE_ROOT", cwd=root).out == f"{root}\n"


@pytest.mark.parametrize("service", ["api-service", "worker-service"])
def test_every_repository_sees_every_editable(
    workset: Workset, devpy: Devpy, devpy_environ: Environ, service: str
) -> None:
    code = (
        "import sample_flit, sample_console_script, sample_setuptools_src\n"
        "print(sample_flit.origin(), sample_console_script.origin(), sample_setuptools_src.origin(), sep='\\n')"
    )
    result = devpy("python", "-c", code, cwd=workset.folder / service)
    homes = [workset.api, workset.worker, Path(devpy_environ["HOME"]) / "shared-library"]
    for origin, home in zip(result.out.splitlines(), homes, strict=True):
        assert Path(origin).is_relative_to(home)
    script = devpy("sample-console-script", cwd=workset.folder / service)
    assert Path(script.out.strip()).is_relative_to(workset.worker)


def test_no_repository_gets_an_overlay_of_its_own(workset: Workset, devpy: Devpy, devpy_environ: Environ) -> None:
    assert devpy("true", cwd=workset.worker).err == ""  # nothing to build: it is the other one's overlay
    for root in (workset.api, workset.worker):
        assert not (root / ".venv").exists()
    status = run(["git", "status", "--porcelain"], cwd=workset.api, environ=devpy_environ)
    assert status.out.splitlines() in ([], ["?? sample_flit/__pycache__/"])


@pytest.mark.slow
def test_changed_stack_config_counts_for_every_repository(
    tmp_path: Path, make_workset: Callable[[Path], Workset], devpy: Devpy
) -> None:
    workset = make_workset(tmp_path / "workset")
    only_api = workset.config.read_text("utf-8").replace('"worker-service", "~/shared-library"', "")
    workset.config.write_text(only_api, encoding="utf-8")
    assert devpy("update-editables", cwd=workset.worker).code == 0
    assert "ModuleNotFoundError" in devpy("python", "-c", "import sample_console_script", cwd=workset.worker).err
    with_worker = only_api.replace('["api-service", ]', '["api-service", "worker-service"]')
    assert with_worker != only_api
    workset.config.write_text(with_worker, encoding="utf-8")
    assert devpy("python", "-c", "import sample_console_script", cwd=workset.api).code == 0
    assert info(devpy, workset.worker)["overlay state"] == "current"


def test_clean_refuses_a_shared_overlay_unless_told(
    tmp_path: Path, make_workset: Callable[[Path], Workset], devpy: Devpy
) -> None:
    workset = make_workset(tmp_path / "workset")
    workset.config.write_text(
        workset.config.read_text("utf-8").replace('"worker-service", "~/shared-library"', ""), encoding="utf-8"
    )
    assert devpy("update-editables", cwd=workset.api).code == 0
    refused = devpy("clean", cwd=workset.api)
    assert refused.code == 2
    assert str(workset.venv) in refused.err
    assert "devpy clean --shared" in refused.err
    assert info(devpy, workset.api)["overlay state"] == "current"
    assert devpy("clean", "--shared", cwd=workset.worker).code == 0
    assert not workset.venv.exists()
    assert workset.config.is_file()


def test_each_repository_of_a_workset_can_have_another_stack(
    tmp_path: Path, make_workset: Callable[[Path], Workset], devpy: Devpy
) -> None:
    workset = make_workset(tmp_path / "workset")
    other = workset.folder / "devpy.other.toml"
    other.write_text(
        workset.config.read_text("utf-8").replace(".devpy/backend/.venv", ".devpy/other/.venv"), encoding="utf-8"
    )
    (workset.worker / "devpy.toml").write_text('[devpy]\nextends = "../devpy.other.toml"\n', encoding="utf-8")
    assert info(devpy, workset.api)["venv"] == str(workset.folder / ".devpy/backend/.venv")
    assert info(devpy, workset.worker)["venv"] == str(workset.folder / ".devpy/other/.venv")


@pytest.mark.parametrize(
    ("pointer", "problem"),
    [
        ("devpy.toml", "points to itself"),
        ("..", "is a directory"),
        ("../gone.toml", "does not exist"),
        ("../worker-service/devpy.toml", "points to another pointer"),
    ],
)
def test_wrong_pointer_is_refused(
    tmp_path: Path, make_workset: Callable[[Path], Workset], devpy: Devpy, pointer: str, problem: str
) -> None:
    workset = make_workset(tmp_path / "workset")
    (workset.api / "devpy.toml").write_text(f'[devpy]\nextends = "{pointer}"\n', encoding="utf-8")
    result = devpy("info", cwd=workset.api)
    assert result.code == 2
    assert f'{workset.api / "devpy.toml"}: devpy.extends = "{pointer}" {problem}' in result.err


@pytest.mark.parametrize("venv", [".", "..", "../outside", "/tmp/outside"])  # noqa: S108 - refused, never made
def test_overlay_outside_of_the_stacks_folder_is_refused(
    tmp_path: Path, make_workset: Callable[[Path], Workset], devpy: Devpy, venv: str
) -> None:
    workset = make_workset(tmp_path / "workset")
    text = workset.config.read_text("utf-8").replace(".devpy/backend/.venv", venv)
    workset.config.write_text(text, encoding="utf-8")
    result = devpy("update-editables", cwd=workset.api)
    assert result.code == 2
    assert f'{workset.config}: python.venv = "{venv}"' in result.err
