from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Protocol

import pytest

from devpy_pip_guard.errors import DevpyError
from devpy_runner.base import condarc, installations
from devpy_runner.base.lookup import Base
from devpy_runner.plugin import hooks
from devpy_runner.plugin import manager as plugins

pytestmark = pytest.mark.bounds

FINDS_OWN = """
from devpy_runner.plugin import Base, hookimpl

@hookimpl
def devpy_find_base(name, environ):
    return Base(name, environ["OWN"] + "/" + name) if name.startswith("own") else None
"""


class Install(Protocol):
    """Install a plugin: a module `my_plugin`, and its entry point in the distribution `my-dist`."""

    def __call__(self, code: str, entry_point: str = "my_plugin", group: str = "devpy") -> None: ...


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    def install(code: str, entry_point: str = "my_plugin", group: str = "devpy") -> None:
        info = tmp_path / "site/my_dist-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-dist\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\nmine = {entry_point}\n")
        (tmp_path / "site/my_plugin.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path / "site"))

    monkeypatch.delitem(sys.modules, "my_plugin", raising=False)
    monkeypatch.setattr(condarc, "_SYSTEM_FOLDERS", ())
    monkeypatch.setattr(installations, "_USUAL_ROOTS", ())
    return install


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return variables that lead to a conda install with the environments torch and own-torch."""
    for name in ("torch", "own-torch"):
        (tmp_path / "conda/envs" / name).mkdir(parents=True)
    return {"HOME": str(tmp_path), "_CONDA_ROOT": str(tmp_path / "conda"), "OWN": "/own"}


def test_without_plugins_conda_finds_it(tmp_path: Path, install: Install, environ: dict[str, str]) -> None:
    install("raise AssertionError('not a plugin of devpy')", group="another_tool")
    assert plugins.find_base("torch", environ) == Base("torch", str(tmp_path / "conda/envs/torch"))


def test_a_plugin_comes_before_conda(tmp_path: Path, install: Install, environ: dict[str, str]) -> None:
    install(FINDS_OWN)
    assert plugins.find_base("own-torch", environ) == Base("own-torch", "/own/own-torch")
    assert plugins.find_base("torch", environ) == Base("torch", str(tmp_path / "conda/envs/torch"))


def test_what_no_plugin_finds_is_an_error(install: Install, environ: dict[str, str]) -> None:
    install(FINDS_OWN)
    with pytest.raises(DevpyError, match="conda environment tor: not found in "):
        plugins.find_base("tor", environ)


def test_plugins_can_be_switched_off(tmp_path: Path, install: Install, environ: dict[str, str]) -> None:
    install("raise RuntimeError('broken')")
    environ["DEVPY_DISABLE_PLUGINS"] = "1"
    assert plugins.find_base("own-torch", environ).prefix == str(tmp_path / "conda/envs/own-torch")


def test_a_plugin_that_is_on_the_path_twice_counts_once(
    tmp_path: Path, install: Install, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(FINDS_OWN)
    (tmp_path / "again").symlink_to(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "again"))
    assert [name for name, _ in plugins.load(environ).list_name_plugin()] == ["devpy_runner.base.lookup", "mine"]


@pytest.mark.parametrize("metadata", ["", None])
def test_a_leftover_of_a_plugin_is_none(
    tmp_path: Path, install: Install, environ: dict[str, str], metadata: str | None
) -> None:
    """Such as an uninstall that was interrupted leaves it behind."""
    install("raise RuntimeError('broken')")
    info = tmp_path / "site/my_dist-1.0.dist-info"
    (info / "METADATA").unlink()
    if metadata is not None:
        (info / "METADATA").write_text(metadata)
    assert plugins.find_base("own-torch", environ).prefix == str(tmp_path / "conda/envs/own-torch")


@pytest.mark.parametrize(
    ("code", "entry_point", "reason"),
    [
        ("import no_such_module", "my_plugin", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('broken\\n  in two lines')", "my_plugin", "RuntimeError: broken in two lines"),
        ("", "my_plugin:missing", "AttributeError: "),
        (FINDS_OWN.replace("environ)", "other)"), "my_plugin", "PluginValidationError: "),
        (FINDS_OWN.replace("devpy_find_base", "devpy_fnd_base"), "my_plugin", "PluginValidationError: unknown hook"),
    ],
)
def test_a_broken_plugin_is_named(
    install: Install, environ: dict[str, str], code: str, entry_point: str, reason: str
) -> None:
    install(code, entry_point)
    with pytest.raises(DevpyError) as caught:
        plugins.find_base("torch", environ)
    assert caught.value.problem.startswith(f"plugin mine = {entry_point} of my-dist: {reason}")
    assert "\n" not in caught.value.problem
    assert caught.value.mend == "upgrade or uninstall my-dist; DEVPY_DISABLE_PLUGINS=1 leaves installed plugins out"


def test_the_example_of_the_hook_is_a_plugin(install: Install, environ: dict[str, str]) -> None:
    documented = inspect.getdoc(hooks.devpy_find_base) or ""
    example = textwrap.dedent(documented.partition("::\n")[2].partition(":param")[0])
    install(example.replace("/srv/environments", environ["HOME"]))
    assert plugins.find_base("conda", environ).prefix == environ["_CONDA_ROOT"]


def test_finding_an_environment_without_plugins_imports_no_pluggy() -> None:
    code = "import sys, devpy_runner.base.lookup; print('pluggy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
