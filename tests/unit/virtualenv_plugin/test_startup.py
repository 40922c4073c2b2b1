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

pytestmark = pytest.mark.bounds


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """The empty site-packages of an overlay, for this Python."""
    path = tmp_path / "overlay" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    path.mkdir(parents=True)
    return path


@given(paths=st.tuples(*[st.binary(min_size=1, max_size=40).filter(lambda path: b"\0" not in path)] * 2))
def test_places_are_a_line_of_ascii(paths: tuple[bytes, bytes]) -> None:
    text = startup.places(*(Path("/" + os.fsdecode(path)) for path in paths))
    assert text.isascii()
    assert len(text.splitlines()) == 1
    got: dict[str, bytes] = {}
    exec(text, got)  # noqa: S102 - as Python does
    assert [Path(os.fsdecode(got[name])) for name in ("BASE", "MADE")] == [
        Path("/" + os.fsdecode(path)) for path in paths
    ]


@pytest.mark.parametrize("name", ["plain", "sp ace", "ä €", "it's", 'quo"te', "new\nline", "back\\slash", "#comment"])
def test_bridge_leads_to_the_base_once(tmp_path: Path, overlay: Path, name: str) -> None:
    base = tmp_path / name
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


@pytest.mark.parametrize(
    ("minor", "bridge"),
    [("8", "~devpy.pth"), ("13t", "~devpy.pth"), ("14", "~devpy.pth"), ("15", "~devpy.start"), ("15t", "~devpy.start"),
     ("20", "~devpy.start")],
)  # fmt: skip
def test_one_bridge_for_each_python(tmp_path: Path, minor: str, bridge: str) -> None:
    """From 3.15 on an entry point, and no `import` line, which from 3.20 on would give a warning (PEP 829)."""
    folder = tmp_path / f"python3.{minor}" / "site-packages"
    folder.mkdir(parents=True)
    (folder / "~devpy.pth").write_text("import _devpy_guard\n", encoding="ascii")  # as devpy 0.2 has left it for all
    startup.write(folder, tmp_path / "base", Path(sys.executable), has_tomllib=True)
    assert [path.name for path in folder.iterdir() if path.name.startswith("~")] == [bridge]
    assert layout.in_site_packages(str(folder))[0] == str(folder / bridge)
    assert all(map(os.path.isfile, layout.in_site_packages(str(folder))))


def test_bridge_arms_the_guard_on_its_own(tmp_path: Path, overlay: Path) -> None:
    """Another `sitecustomize` may come first on the path, in whose place ours does not run."""
    startup.write(overlay, tmp_path / "base", Path(sys.executable), has_tomllib=True)
    code = f"import site, sys; site.addsitedir({str(overlay)!r}); print('_devpy_guard' in map(str, sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "True"


@pytest.mark.parametrize("has_tomllib", [True, False])
def test_everything_that_starts_is_compiled(overlay: Path, has_tomllib: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    startup.write(overlay, overlay / "base", Path(sys.executable), has_tomllib=has_tomllib)
    with zipfile.ZipFile(overlay / layout.GUARD / devpy_pip_guard.REST) as archive:
        compressed = archive.namelist()
    names = [path.name for path in (overlay / layout.GUARD).iterdir()]
    guard = Path(devpy_pip_guard.__file__).parent
    modules = [path.stem for path in guard.glob("*.py") if path.stem != "sitecustomize"]
    in_files = {name for name in [*names, *compressed] if "/" not in name} - {devpy_pip_guard.REST}
    assert in_files == {f"{module}.pyc" for module in modules}
    assert list(overlay.glob("__pycache__/sitecustomize.*.pyc"))
    assert ("_tomli/__init__.pyc" in compressed) != has_tomllib


def test_guard_does_not_shadow_a_checkout_of_devpy(overlay: Path) -> None:
    startup.write(overlay, overlay / "base", Path(sys.executable), has_tomllib=True)
    assert not [path.name for path in overlay.iterdir() if path.name.startswith("devpy")]


def test_bridge_sorts_behind_every_editable() -> None:
    names = ["__editable__.n-1", "_editable_impl_n", "n", "zzz-editable", "Z", "easy-install"]
    for bridge, suffix in ((layout.PTH_BRIDGE, "pth"), (layout.START_BRIDGE, "start")):
        assert sorted([f"{name}.{suffix}" for name in names] + [bridge])[-1] == bridge


def test_written_again(tmp_path: Path, overlay: Path) -> None:
    (overlay / layout.GUARD / "__pycache__").mkdir(parents=True)  # as an older devpy has left it
    for base in ("old", "new"):
        startup.write(overlay, tmp_path / base, Path(sys.executable), has_tomllib=True)
    assert b"/new" in (overlay / layout.GUARD / "__init__.pyc").read_bytes()
    assert {path.suffix for path in (overlay / layout.GUARD).iterdir()} == {".pyc", ".zip"}


def test_interpreter_that_cannot_compile(tmp_path: Path, overlay: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho it broke >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(RuntimeError, match=r"(?s)cannot compile.*it broke"):
        startup.write(overlay, tmp_path / "base", broken, has_tomllib=True)
    assert not (overlay / layout.bridge(str(overlay))).exists()


def test_interpreter_that_ends_without_a_word(tmp_path: Path, overlay: Path) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    silent.chmod(0o755)
    with pytest.raises(RuntimeError, match="cannot compile the start-up files: exit code 3"):
        startup.write(overlay, tmp_path / "base", silent, has_tomllib=True)


def test_interpreter_that_is_missing(tmp_path: Path, overlay: Path) -> None:
    with pytest.raises((RuntimeError, OSError), match="absent"):
        startup.write(overlay, tmp_path / "base", tmp_path / "absent", has_tomllib=True)
