from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import devpy_pip_guard
from devpy_virtualenv_plugin import layout, startup


@given(path=st.binary(min_size=1, max_size=40).filter(lambda path: b"\0" not in path))
def test_bridge_is_one_line_of_ascii_that_site_executes(path: bytes) -> None:
    text = startup.bridge(Path("/" + os.fsdecode(path)), Path("/made"))
    assert text.isascii()
    assert text.startswith("import ")
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("name", ["plain", "sp ace", "ä €", "it's", 'quo"te', "new\nline", "back\\slash", "#comment"])
def test_bridge_leads_to_the_base_once(tmp_path: Path, name: str) -> None:
    overlay, base = tmp_path / "overlay", tmp_path / name
    overlay.mkdir()
    base.mkdir()
    (base / "counts.pth").write_text("import builtins; builtins.count = getattr(builtins, 'count', 0) + 1\n")
    startup.write(overlay, base, Path(sys.executable), has_tomllib=True)
    code = (
        "import site, sys\n"
        f"known = set()\nfor _ in range(2): site.addsitedir({str(overlay)!r}, known)\n"
        f"import builtins; print(builtins.count, sys.path.count({str(base)!r}))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "1"]
    assert done.stderr == ""


def test_bridge_arms_the_guard_on_its_own(tmp_path: Path) -> None:
    """Another `sitecustomize` may come first on the path, in whose place ours does not run."""
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    startup.write(overlay, tmp_path / "base", Path(sys.executable), has_tomllib=True)
    code = f"import site, sys; site.addsitedir({str(overlay)!r}); print('_devpy_guard' in map(str, sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "True"


@pytest.mark.parametrize("has_tomllib", [True, False])
def test_everything_that_starts_is_compiled(tmp_path: Path, has_tomllib: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    startup.write(tmp_path, tmp_path / "base", Path(sys.executable), has_tomllib=has_tomllib)
    with zipfile.ZipFile(tmp_path / layout.GUARD / devpy_pip_guard.REST) as archive:
        compressed = archive.namelist()
    names = [path.name for path in (tmp_path / layout.GUARD).iterdir()]
    guard = Path(devpy_pip_guard.__file__).parent
    modules = [path.stem for path in guard.glob("*.py") if path.stem != "sitecustomize"]
    in_files = {name for name in [*names, *compressed] if "/" not in name} - {devpy_pip_guard.REST}
    assert in_files == {f"{module}.pyc" for module in modules}
    assert list(tmp_path.glob("__pycache__/sitecustomize.*.pyc"))
    assert ("_tomli/__init__.pyc" in compressed) != has_tomllib


def test_guard_does_not_shadow_a_checkout_of_devpy(tmp_path: Path) -> None:
    startup.write(tmp_path, tmp_path / "base", Path(sys.executable), has_tomllib=True)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith("devpy")]


def test_bridge_sorts_behind_every_editable() -> None:
    editables = [
        "__editable__.n-1.pth",
        "_editable_impl_n.pth",
        "n.pth",
        "zzz-editable.pth",
        "Z.pth",
        "easy-install.pth",
    ]
    assert max([*editables, layout.BRIDGE]) == layout.BRIDGE


def test_written_again(tmp_path: Path) -> None:
    (tmp_path / layout.GUARD / "__pycache__").mkdir(parents=True)  # as an older devpy has left it
    for base in ("old", "new"):
        startup.write(tmp_path, tmp_path / base, Path(sys.executable), has_tomllib=True)
    assert "new" in (tmp_path / layout.BRIDGE).read_text("ascii")
    assert {path.suffix for path in (tmp_path / layout.GUARD).iterdir()} == {".pyc", ".zip"}


def test_interpreter_that_cannot_compile(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho it broke >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(RuntimeError, match=r"(?s)cannot compile.*it broke"):
        startup.write(tmp_path, tmp_path / "base", broken, has_tomllib=True)
    assert not (tmp_path / layout.BRIDGE).exists()


def test_interpreter_that_ends_without_a_word(tmp_path: Path) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    silent.chmod(0o755)
    with pytest.raises(RuntimeError, match="cannot compile the start-up files: exit code 3"):
        startup.write(tmp_path, tmp_path / "base", silent, has_tomllib=True)


def test_interpreter_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises((RuntimeError, OSError), match="absent"):
        startup.write(tmp_path, tmp_path / "base", tmp_path / "absent", has_tomllib=True)
