"""Whether compiled parts are out of date, told without compiling anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from devpy_pip_guard import native_sources
from devpy_pip_guard.native_sources import NativeSources
from devpy_runner.overlay import compiled

from .overlay import write_files

LATER = 10**9


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_files(tmp_path / "project", {"src/a.c": "1", "src/b/c.pyx": "2", "setup.py": "", "src/mine.py": ""})


def built(project: Path, before: dict[str, str] | None = None) -> NativeSources:
    sources = compiled.built_sources(str(project), compiled.contents(str(project)) if before is None else before)
    assert sources is not None
    return sources


def edit(path: Path, text: str, later: int = LATER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    time = path.stat().st_mtime_ns + later
    os.utime(path, ns=(time, time))
    return path


def test_nothing_has_changed(project: Path) -> None:
    assert native_sources.newer(str(project), built(project)) == ""


@pytest.mark.parametrize(
    "name", ["src/a.c", "src/new.CPP", "src/b/deeper/x.rs", "native/CMakeLists.txt", "src/x.h.in", "src/dist/x.tcc"]
)
def test_a_source_that_has_changed_or_is_new(project: Path, name: str) -> None:
    before = built(project)
    edit(project / name, "2")
    assert native_sources.newer(str(project), before) == str(project / name)


@pytest.mark.parametrize(
    "name", ["src/mine.py", "build/x.c", ".hidden/x.c", "src/b/c.c", "other/x.c", "target/x.rs", "rust/t/x.rs"]
)
def test_what_is_no_source_of_this_package(project: Path, name: str) -> None:
    """The C of Cython, for one, is written by the build."""
    write_files(project, {"other/pyproject.toml": "", "rust/t/CACHEDIR.TAG": ""})
    before = built(project)
    edit(project / name, "new")
    assert native_sources.newer(str(project), before) == ""


def test_a_branch_that_was_left_and_came_back(project: Path) -> None:
    """The files have new times, and what they held before."""
    before = built(project)
    edit(project / "src/a.c", "other")
    edit(project / "src/a.c", "1")
    assert native_sources.newer(str(project), before) == ""


def test_a_source_that_an_older_file_has_replaced(project: Path) -> None:
    before = built(project)
    other = edit(project.parent / "other.c", "other", later=-1000 * LATER)
    other.replace(project / "src/a.c")
    assert native_sources.newer(str(project), before) == str(project / "src/a.c")


def test_what_is_no_file(project: Path) -> None:
    os.mkfifo(project / "src" / "pipe.c")
    assert native_sources.newer(str(project), built(project)) == ""


def test_a_source_that_is_gone(project: Path) -> None:
    before = built(project)
    (project / "src/b/c.pyx").unlink()
    assert native_sources.newer(str(project), before) == str(project / "src/a.c")


def track(project: Path) -> None:
    for arguments in (["init", "-q"], ["add", "."]):
        subprocess.run([shutil.which("git") or "git", *arguments], cwd=project, check=True)


def test_an_edit_during_the_build(project: Path) -> None:
    track(project)
    before = compiled.contents(str(project))
    edit(project / "src/a.c", "edited")
    write_files(project, {"src/generated.h": "by the build", "src/mine.so": ""})
    assert native_sources.newer(str(project), built(project, before)) == str(project / "src/a.c")


def test_a_file_that_each_build_writes_anew(project: Path) -> None:
    """It is not the user's, so git does not track it."""
    track(project)
    write_files(project, {"src/generated.h": "by the last build"})
    before = compiled.contents(str(project))
    edit(project / "src/generated.h", "by this build")
    assert native_sources.newer(str(project), built(project, before)) == ""


def test_a_build_by_hand_of_what_is_no_longer_there(project: Path) -> None:
    write_files(project, {"src/mine.so": ""})
    before = built(project)
    edit(project / "src/a.c", "other")
    edit(project / "src/mine.so", "", later=20 * LATER)
    assert native_sources.newer(str(project), before) == ""
    edit(project / "src/a.c", "1", later=40 * LATER)
    assert native_sources.newer(str(project), before) == str(project / "src/a.c")


def test_python_that_cython_has_compiled(project: Path) -> None:
    write_files(project, {"src/fast.py": "1", "src/fast.cpython-311-x86_64-linux-gnu.so": "", "src/other.py": ""})
    before = built(project)
    edit(project / "src/other.py", "2")
    assert native_sources.newer(str(project), before) == ""
    edit(project / "src/fast.py", "2")
    assert native_sources.newer(str(project), before) == str(project / "src/fast.py")


def test_files_that_the_build_has_made(project: Path) -> None:
    before = compiled.contents(str(project))
    write_files(project, {"src/generated.h": "by the build"})
    assert native_sources.newer(str(project), built(project, before)) == ""


def test_a_binary_that_was_built_by_hand_since(project: Path) -> None:
    before = built(project)
    edit(project / "src/a.c", "other")
    assert native_sources.newer(str(project), before)
    edit(project / "src/mine.cpython-311-x86_64-linux-gnu.so", "", later=20 * LATER)
    assert native_sources.newer(str(project), before) == ""


@pytest.mark.parametrize(
    "pyproject",
    ['[build-system]\nbuild-backend = "mesonpy"\nrequires = []\n', "[tool.scikit-build]\neditable.rebuild = true\n"],
)
def test_packages_that_imports_build_again(project: Path, pyproject: str) -> None:
    write_files(project, {"pyproject.toml": pyproject})
    assert compiled.built_sources(str(project), {}) is None


def test_a_package_that_gets_more_sources_than_are_looked_at_by_then(project: Path) -> None:
    before = built(project)
    write_files(project, {f"vendor/{number}/x.py": "" for number in range(1001)})
    edit(project / "src/a.c", "other")
    assert native_sources.newer(str(project), before) == str(project / "src/a.c")


def test_a_package_with_too_many_sources(project: Path) -> None:
    write_files(project, {f"src/{number}.c": "" for number in range(1001)})
    assert compiled.built_sources(str(project), {}) is None
