"""Which editables of a base are a sibling worktree's code that nothing of the overlay comes before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from devpy_pip_guard import sibling_editables
from devpy_pip_guard.distributions import CONDA_PTH

from .overlay import write_files


class Places:
    """Two worktrees of a repository with the packages `a` and `b` each, and the site-packages of overlay and base."""

    def __init__(self, folder: Path) -> None:
        self.main, self.feature, self.base, self.overlay = (
            folder / name for name in ("main", "feature", "base", "own")
        )
        for root in (self.main, self.feature):
            write_files(root, {".git": f"gitdir: /gone/.git/worktrees/{root.name}", "a/setup.py": "", "b/setup.py": ""})
        self.overlay.mkdir()
        self.base.mkdir()

    def install(self, site_packages: Path, name: str, project: Path) -> None:
        origin = json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}})
        info = f"{name}-1.0.dist-info"
        write_files(site_packages, {f"{info}/METADATA": f"Name: {name}\n", f"{info}/direct_url.json": origin})

    def find(self, *declared: str) -> list[tuple[str, str, str]]:
        folders = [str(self.feature / name) for name in declared]
        found = sibling_editables.find(str(self.base), str(self.overlay), folders, [str(self.feature)])
        return [(each.name, each.path, each.own) for each in found]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_one_that_is_not_declared(places: Places) -> None:
    places.install(places.base, "a", places.main / "a")
    assert places.find() == [("a", f"{places.main}/a", f"{places.feature}/a")]


def test_one_that_the_overlay_has_too(places: Places) -> None:
    places.install(places.base, "A", places.main / "a")
    places.install(places.overlay, "a", places.feature / "a")
    assert places.find("a") == []


def test_one_that_this_worktree_has_renamed(places: Places) -> None:
    """The overlay's comes first under its own name, not under the old one."""
    places.install(places.base, "old-a", places.main / "a")
    places.install(places.overlay, "a", places.feature / "a")
    assert places.find("a") == [("old-a", f"{places.main}/a", "")]


def test_one_of_conda_develop(places: Places) -> None:
    write_files(places.base, {CONDA_PTH: f"{places.main}/a\n{places.main}/b\n{places.feature}/b\n"})
    assert places.find("a") == [("", f"{places.main}/b", f"{places.feature}/b")]


def test_what_leads_there_without_being_an_editable(places: Places) -> None:
    write_files(places.main, {"b/src/b/__init__.py": ""})
    write_files(places.base, {"mine.pth": f"# mine\nimport os\n{places.main}/b/src\n"})
    (places.base / "b").symlink_to(places.main / "b" / "src" / "b")
    folders = [f"{places.main}/b/src", f"{places.main}/b/src/b"]
    assert places.find() == [("", folder, f"{places.feature}/b") for folder in folders]
    assert places.find("b") == []
    shutil.rmtree(places.feature / "b")
    found = list(sibling_editables.find(str(places.base), str(places.overlay), [], [str(places.feature)]))
    config = str(places.feature / "devpy.toml")
    assert [sibling_editables.describe(each, "/b", config).mend for each in found] == [
        f"take {places.main}/b/src out of {places.base}/mine.pth",
        f"rm {places.base}/b",
    ]


def test_the_lines_of_an_editable_are_not_told_twice(places: Places) -> None:
    places.install(places.base, "b", places.main / "b")
    write_files(places.base, {"__editable__.b-1.0.pth": f"{places.main}/b/src\n"})
    assert places.find() == [("b", f"{places.main}/b", f"{places.feature}/b")]


def test_one_whose_link_leads_to_a_sibling(places: Places, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(places.main)
    places.install(places.base, "a", tmp_path / "current" / "a")
    assert places.find() == [("a", f"{places.main}/a", f"{places.feature}/a")]


def test_one_of_this_worktree_and_one_of_no_worktree(places: Places, tmp_path: Path) -> None:
    places.install(places.base, "a", places.feature / "a")
    places.install(places.base, "b", write_files(tmp_path / "elsewhere", {"setup.py": ""}))
    assert places.find() == []


def test_what_mends_it(places: Places) -> None:
    places.install(places.base, "a", places.main / "a")
    write_files(places.base, {CONDA_PTH: f"{places.main}/gone\n"})
    config = str(places.feature / "devpy.toml")
    found = sibling_editables.find(str(places.base), str(places.overlay), [], [str(places.feature)])
    named, without_name = (sibling_editables.describe(each, "/my base", config).mend for each in found)
    assert without_name == f"conda develop --uninstall -p '/my base' {places.main}/gone"
    assert named == (f'declare this worktree\'s own: add "a" to packages in {config}, then: devpy update-editables')
