from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from devpy_pip_guard.config import Config, load
from devpy_pip_guard.errors import DevpyError
from devpy_runner.overlay import editables, removal
from devpy_runner.overlay import state as overlay
from devpy_virtualenv_plugin import __version__, record
from devpy_virtualenv_plugin.layout import site_packages
from devpy_virtualenv_plugin.lock import empty, locked
from devpy_virtualenv_plugin.record import Record


class Made(NamedTuple):
    """A folder that looks like a current overlay, and what it stands on."""

    config: Config
    venv: Path
    base: Path
    package: Path

    def state(self, base: Path | None = None) -> str:
        return overlay.examine(self.config, None if base is None else str(base)).state

    def reason(self, base: Path | None = None) -> str:
        """Return the one reason for which it is not current."""
        (reason,) = overlay.examine(self.config, None if base is None else str(base)).reasons
        return reason

    def change(self, **fields: object) -> None:
        """Replace fields of the record."""
        before = record.read(str(self.venv))
        assert before is not None
        record.write(before._replace(**fields))  # type: ignore[arg-type] # tests write odd things, too


def configure(root: Path, text: str) -> Config:
    (root / "devpy.toml").write_text(text, encoding="utf-8")
    return load(str(root / "devpy.toml"))


TOML = '[python]\nbase_conda_env = "shared"\n[editables]\npackages = ["package"]\n'
PYVENV_CFG = "home = /base/bin\ndevpy-config = /root/devpy.toml\n"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    root, base = tmp_path / "root", tmp_path / "base"
    venv, package = root / ".venv", root / "package"
    for folder in (package, venv / "bin", venv / "lib/python3.11/site-packages", base / "bin", base / "conda-meta"):
        folder.mkdir(parents=True)
    (package / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    (base / "conda-meta" / "history").touch()
    (base / "bin" / "python3.11").touch()
    (venv / "bin" / "python").symlink_to(base / "bin" / "python3.11")
    for part in overlay.parts(str(venv), "python3.11"):
        Path(part).parent.mkdir(parents=True, exist_ok=True)
        Path(part).touch()
    (venv / "pyvenv.cfg").write_text(PYVENV_CFG, encoding="utf-8")
    config = configure(root, TOML)
    record.write(
        Record(
            version=__version__,
            complete=True,
            built=True,
            venv=str(venv),
            config=config.file,
            base_name="shared",
            base=str(base),
            base_stamp=record.base_stamp(str(base)),
            python="python3.11",
            editables={str(package): editables.build_files(str(package))},
            has_deps=False,
            site_stamp=record.site_stamp(site_packages(str(venv), "python3.11")),
        )
    )
    return Made(config, venv, base, package)


def test_current(made: Made) -> None:
    found = overlay.examine(made.config, str(made.base))
    assert (found.state, found.reasons, found.rebuild) == (overlay.CURRENT, [], False)
    assert found.record is not None
    assert made.state() == overlay.CURRENT


def test_examining_changes_nothing(made: Made) -> None:
    before = {path: path.lstat().st_mtime_ns for path in made.venv.rglob("*")}
    made.state()
    assert {path: path.lstat().st_mtime_ns for path in made.venv.rglob("*")} == before


@pytest.mark.parametrize("left", [None, [], [record.LOCK_NAME]])
def test_absent(tmp_path: Path, left: list[str] | None) -> None:
    config = configure(tmp_path, '[python]\nbase_conda_env = "shared"\n')
    if left is not None:
        (tmp_path / ".venv").mkdir()
        for name in left:
            (tmp_path / ".venv" / name).touch()
    found = overlay.examine(config)
    assert (found.state, found.rebuild, found.record) == (overlay.ABSENT, True, None)


@pytest.mark.parametrize("name", ["file", "pyvenv.cfg", "devpy.json"])
def test_foreign(tmp_path: Path, name: str) -> None:
    config = configure(tmp_path, '[python]\nbase_conda_env = "shared"\n')
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / name).write_text("{}", encoding="utf-8")
    found = overlay.examine(config)
    assert (found.state, found.rebuild) == (overlay.FOREIGN, False)
    with pytest.raises(DevpyError, match="was not made by devpy") as raised:
        overlay.refuse_foreign(found, config)
    assert config.file in raised.value.mend


def test_file_in_its_place_is_foreign(tmp_path: Path) -> None:
    config = configure(tmp_path, '[python]\nbase_conda_env = "shared"\n')
    (tmp_path / ".venv").touch()
    assert overlay.examine(config).state == overlay.FOREIGN


def test_only_the_foreign_is_refused(made: Made) -> None:
    overlay.refuse_foreign(overlay.examine(made.config), made.config)


def test_incomplete(made: Made) -> None:
    made.change(complete=False)
    found = overlay.examine(made.config)
    assert (found.state, found.rebuild) == (overlay.INCOMPLETE, True)
    assert "interrupted" in made.reason()


def test_record_of_another_devpys_making_is_incomplete(made: Made) -> None:
    file = made.venv / record.FILE_NAME
    file.write_text(f'{{"version": "9", "venv": "{made.venv}", "complete": true}}', encoding="utf-8")
    found = overlay.examine(made.config)
    assert (found.state, found.rebuild, found.record) == (overlay.INCOMPLETE, True, None)


# Stale, and its own files have to be written.


def assert_stale(made: Made, *words: str, rebuild: bool) -> None:
    found = overlay.examine(made.config, str(made.base))
    assert (found.state, found.rebuild) == (overlay.STALE, rebuild)
    (reason,) = found.reasons
    assert all(word in reason for word in words)


def test_moved(made: Made) -> None:
    made.change(venv=str(made.venv))
    file = made.venv / record.FILE_NAME
    file.write_text(file.read_text("utf-8").replace(f'"venv": "{made.venv}"', '"venv": "/before"'), encoding="utf-8")
    assert_stale(made, "moved or copied", "/before", rebuild=True)


def test_other_version(made: Made) -> None:
    made.change(version="0.0.1")
    assert_stale(made, "0.0.1", __version__, rebuild=True)


def test_other_config(made: Made) -> None:
    made.change(config="/other/devpy.toml")
    assert_stale(made, "/other/devpy.toml", rebuild=True)


def test_other_name_of_the_base(made: Made) -> None:
    made.change(base_name="other")
    assert made.state() == overlay.STALE
    assert "other" in made.reason()
    assert made.state(made.base) == overlay.CURRENT  # it leads to the same base


def test_name_leads_to_another_base(made: Made) -> None:
    assert made.state() == overlay.CURRENT
    assert made.state(made.base.parent / "other") == overlay.STALE
    assert str(made.base) in made.reason(made.base.parent / "other")


@pytest.mark.parametrize("lost", ["the link", "its target", "the whole base"])
def test_python_is_gone(made: Made, lost: str) -> None:
    if lost == "the link":
        (made.venv / "bin" / "python").unlink()
    elif lost == "its target":
        (made.base / "bin" / "python3.11").unlink()
    else:
        made.base.rename(made.base.parent / "away")
    assert_stale(made, "Python", str(made.base), rebuild=True)


@pytest.mark.parametrize("changed", ["bin", "conda-meta/history"])
def test_base_has_changed(made: Made, changed: str) -> None:
    os.utime(made.base / changed, (1, 1))
    assert_stale(made, f"{made.base} has changed", rebuild=True)


@pytest.mark.parametrize(
    "content", [b"", PYVENV_CFG[:9].encode(), b"home = /base/bin\n", b"\xff" + PYVENV_CFG.encode()]
)
def test_pyvenv_cfg_is_broken(made: Made, content: bytes) -> None:
    """Without its keys the overlay's Python would be the base's, and what pip installs would go there."""
    (made.venv / "pyvenv.cfg").write_bytes(content)
    assert made.reason() == "a part of it is missing"


def test_pyvenv_cfg_is_gone(made: Made) -> None:
    """Without it the interpreter runs as the base's, and pip would write there."""
    (made.venv / "pyvenv.cfg").unlink()
    assert made.state() == overlay.STALE


# Stale, and only its packages have to be brought up to date.


def test_not_installed(made: Made) -> None:
    made.change(editables={})
    assert_stale(made, "not installed", str(made.package), rebuild=False)


def test_build_files_changed(made: Made) -> None:
    (made.package / "setup.py").touch()
    assert_stale(made, "build files changed", str(made.package), rebuild=False)


def test_no_longer_declared(made: Made) -> None:
    config = configure(made.venv.parent, '[python]\nbase_conda_env = "shared"\n')
    assert_stale(made._replace(config=config), "no longer declared", str(made.package), rebuild=False)


def test_dependencies_wanted_since(made: Made) -> None:
    config = configure(made.venv.parent, TOML + "install_deps = true\n")
    assert_stale(made._replace(config=config), "dependencies", rebuild=False)
    made.change(has_deps=True)
    assert made._replace(config=config).state() == overlay.CURRENT


def test_something_was_installed_by_hand(made: Made) -> None:
    (made.venv / "lib/python3.11/site-packages/added.pth").touch()
    assert_stale(made, "packages in it have changed", rebuild=False)


def test_all_reasons_are_told(made: Made) -> None:
    made.change(version="0.0.1", editables={})
    examined = overlay.examine(made.config, str(made.base))
    assert len(examined.reasons) == 2
    assert examined.rebuild


def test_overlay_that_would_lie_in_another_worktree(made: Made) -> None:
    inner = made.venv.parent / "my feature"
    inner.mkdir()
    (inner / ".git").touch()
    configure(inner, TOML)
    config = configure(made.venv.parent, '[python]\nbase_conda_env = "shared"\nvenv = "my feature/.venv"\n')
    with pytest.raises(DevpyError, match=f"python.venv leads into another worktree, {inner}") as raised:
        overlay.refuse_foreign(overlay.examine(config), config)
    assert raised.value.mend == f"cd '{inner}', or name a folder outside of it"


# Emptying and removing.


def test_remove(made: Made) -> None:
    removal.remove(str(made.venv))
    assert not made.venv.exists()
    assert (made.base / "bin" / "python3.11").exists()
    assert (made.package / "pyproject.toml").exists()


def test_remove_does_not_follow_links(made: Made) -> None:
    (made.venv / "link").symlink_to(made.base)
    removal.remove(str(made.venv))
    assert (made.base / "conda-meta" / "history").exists()


def test_remove_of_a_symlink_unlinks_it(made: Made) -> None:
    link = made.venv.with_name("link")
    link.symlink_to(made.venv)
    removal.remove(str(link))
    assert not os.path.lexists(link)
    assert made.state() == overlay.CURRENT


def test_interrupted_removal_can_be_taken_up_again(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    remove_folder = shutil.rmtree

    def interrupt(path: str) -> None:
        if os.path.basename(path).startswith("lib.removed"):
            raise KeyboardInterrupt
        remove_folder(path)

    (made.venv / "devpy.json.1").touch()  # what a killed process may leave
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupt)
        with pytest.raises(KeyboardInterrupt):
            removal.remove(str(made.venv))
    assert not (made.venv / "bin").exists()
    assert not (made.venv / "lib").exists()  # the packages are gone all at once
    assert record.is_marked(str(made.venv))
    removal.remove(str(made.venv))
    assert not made.venv.exists()


def test_empty_keeps_the_lock(made: Made) -> None:
    with locked(str(made.venv)):
        empty(str(made.venv))
        assert os.listdir(made.venv) == [record.LOCK_NAME]
    assert made.state() == overlay.ABSENT


def test_lock_makes_the_folder_and_keeps_others_out(tmp_path: Path) -> None:
    venv = tmp_path / "deep" / ".venv"
    with locked(str(venv)):
        assert record.is_vacant(str(venv))
        with locked(str(venv)):  # virtualenv, which devpy runs in its own process, takes it as well
            pass
        other = started("with locked(sys.argv[1]): print(os.path.exists(sys.argv[1] + '/first'))", venv)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.5)
        (venv / "first").touch()
    assert other.communicate(timeout=60)[0] == "True\n"


def test_lock_that_has_been_removed_is_worth_nothing(tmp_path: Path) -> None:
    venv = tmp_path / ".venv"
    with locked(str(venv)):
        other = started("with locked(sys.argv[1]): print(os.listdir(sys.argv[1]))", venv)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.5)
        shutil.rmtree(venv)
    assert other.communicate(timeout=60)[0] == f"['{record.LOCK_NAME}']\n"


def started(code: str, venv: Path) -> subprocess.Popen[str]:
    imports = "import os, sys; from devpy_virtualenv_plugin.lock import locked\n"
    return subprocess.Popen([sys.executable, "-c", imports + code, venv], stdout=subprocess.PIPE, text=True)
