from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from devpy_runner.overlay import editables
from devpy_runner.overlay.editables import Editable


def add_distribution(
    site_packages: Path,
    name: str,
    origin: object = None,
    wheel: str | None = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
) -> Path:
    """Add the metadata of an installed distribution; `origin` is what its direct_url.json holds."""
    folder = site_packages / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    if origin is not None:
        text = origin if isinstance(origin, str) else json.dumps(origin)
        (folder / "direct_url.json").write_text(text, encoding="utf-8")
    if wheel is not None:
        (folder / "WHEEL").write_text(wheel, encoding="utf-8")
    return folder


def editable_from(path: Path) -> dict[str, object]:
    return {"url": path.as_uri(), "dir_info": {"editable": True}}


# What is installed.


def paths(site_packages: Path) -> list[str]:
    """Return the folders of the editables that are found."""
    return [editable.path for editable in editables.installed(str(site_packages))]


def test_nothing_installed(tmp_path: Path) -> None:
    assert editables.installed(str(tmp_path)) == []


@pytest.mark.parametrize("name", ["plain", "sp ace", "ä ö", "per%20cent", "ha#sh", "quest?ion"])
def test_editable(tmp_path: Path, name: str) -> None:
    project = tmp_path / name
    add_distribution(tmp_path / "site", "My.Project", editable_from(project))
    expected = Editable("My.Project", str(project), is_pure=True)
    assert editables.installed(str(tmp_path / "site")) == [expected]


def test_path_is_without_symlinks(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("project")
    (tmp_path / "project").mkdir()
    add_distribution(tmp_path / "site", "project", editable_from(tmp_path / "link"))
    assert paths(tmp_path / "site") == [str(tmp_path / "project")]


@pytest.mark.parametrize(
    "wheel", ["Root-Is-Purelib: false\n", "Wheel-Version: 1.0\n", None], ids=["compiled", "does not say", "no WHEEL"]
)
def test_editable_that_may_be_compiled(tmp_path: Path, wheel: str | None) -> None:
    add_distribution(tmp_path, "project", editable_from(tmp_path / "project"), wheel)
    (found,) = editables.installed(str(tmp_path))
    assert not found.is_pure


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "{",
        "[]",
        '"text"',
        "null",
        {},
        {"url": "file:///x"},
        {"url": "file:///x", "dir_info": {}},
        {"url": "file:///x", "dir_info": []},
        {"url": "file:///x", "dir_info": {"editable": False}},
        {"url": "file:///x", "dir_info": {"editable": "true"}},
        {"url": 1, "dir_info": {"editable": True}},
        {"url": None, "dir_info": {"editable": True}},
        {"dir_info": {"editable": True}},
        {"url": "https://example.invalid/x", "dir_info": {"editable": True}},
        {"url": "https://[broken", "dir_info": {"editable": True}},
        {"url": "file:///x", "vcs_info": {"vcs": "git"}},
    ],
    ids=str,
)
def test_no_editable_and_no_error(tmp_path: Path, origin: object) -> None:
    add_distribution(tmp_path, "regular", origin)
    add_distribution(tmp_path, "editable", editable_from(tmp_path / "project"))
    assert paths(tmp_path) == [str(tmp_path / "project")]


def test_direct_url_that_is_not_utf_8(tmp_path: Path) -> None:
    add_distribution(tmp_path, "broken", "{}").joinpath("direct_url.json").write_bytes(b"\xff\xfe")
    assert editables.installed(str(tmp_path)) == []


def test_what_an_interrupted_pip_leaves(tmp_path: Path) -> None:
    """pip renames what it replaces: such a folder is no installed distribution, and its metadata may be gone."""
    add_distribution(tmp_path, "project", editable_from(tmp_path / "project")).joinpath("METADATA").unlink()
    (tmp_path / "~roject-1.0.dist-info").mkdir()
    add_distribution(tmp_path, "other", editable_from(tmp_path / "other"))
    assert str(tmp_path / "other") in paths(tmp_path)


@pytest.mark.parametrize(
    ("text", "project"),
    [
        ("{}/project\n.", "project"),
        ("{}/project/src\n../", "project"),
        ("{}/project", "project"),
        ("{}/project\r\n.\r\n", "project"),
    ],
)
def test_egg_link(tmp_path: Path, text: str, project: str) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "Some-Project.egg-link").write_bytes(text.format(tmp_path).encode())
    path = str(tmp_path / project)
    assert editables.installed(str(site)) == [Editable("Some-Project", path, is_pure=False)]


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n"])
def test_empty_egg_link_is_no_editable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "project.egg-link").write_bytes(content)
    assert editables.installed(str(tmp_path)) == []


def test_egg_link_to_a_path_that_is_not_utf_8(tmp_path: Path) -> None:
    path = os.fsdecode(b"/repo/\xff")
    (tmp_path / "project.egg-link").write_bytes(os.fsencode(path) + b"\n.")
    assert paths(tmp_path) == [path]


def test_two_packages_of_one_folder_are_both_found(tmp_path: Path) -> None:
    """A renamed package: what it was called before has to be uninstalled."""
    for name in ("before", "after"):
        add_distribution(tmp_path / "site", name, editable_from(tmp_path / "project"))
    found = editables.installed(str(tmp_path / "site"))
    assert sorted(editable.name for editable in found) == ["after", "before"]


@pytest.mark.parametrize("name", ["plain", "sp ace", "ä ö"])
def test_path_line_of_conda_develop(tmp_path: Path, name: str) -> None:
    project = tmp_path / name
    (tmp_path / "conda.pth").write_text(f"# comment\nimport sys\n\n{project}\n/other\n", encoding="utf-8")
    assert paths(tmp_path) == [str(project), "/other"]
    editables.remove_path_line(str(tmp_path), str(project))
    assert paths(tmp_path) == ["/other"]
    assert (tmp_path / "conda.pth").read_text("utf-8") == "# comment\nimport sys\n\n/other\n"


def test_path_line_is_an_editable_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("project")
    (tmp_path / "project").mkdir()
    (tmp_path / "conda.pth").write_text(f"{tmp_path / 'link'}\r\n", encoding="utf-8")
    assert editables.installed(str(tmp_path)) == [Editable("", str(tmp_path / "project"), is_pure=True)]


@pytest.mark.parametrize("text", ["", "\n", "# comment\n", "import site\n", "relative/path\n"])
def test_conda_pth_without_a_path_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "conda.pth").write_text(text, encoding="utf-8")
    assert paths(tmp_path) == []


def test_path_lines_of_other_files_are_no_editables(tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_text("/project\n", encoding="utf-8")
    assert paths(tmp_path) == []


def test_path_line_beside_an_installed_package(tmp_path: Path) -> None:
    add_distribution(tmp_path / "site", "installed", editable_from(tmp_path / "installed"))
    (tmp_path / "site" / "old.egg-link").write_text("/old\n.", encoding="utf-8")
    (tmp_path / "site" / "conda.pth").write_text("/developed\n", encoding="utf-8")
    assert paths(tmp_path / "site") == [str(tmp_path / "installed"), "/old", "/developed"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}/project", ""),
        ("{}/project\n", ""),
        ("/first\n{}/project\n/last\n", "/first\n/last\n"),
        ("{}/project\n/other\n{}/project\n", "/other\n"),
        ("{}/link\n/other\n", "/other\n"),
        ("{}/project/\n/other\n", "/other\n"),
        ("{}/project/src\n{}/project-2\n", "{}/project/src\n{}/project-2\n"),
    ],
    ids=["no newline", "alone", "in between", "twice", "through a symlink", "trailing slash", "only resembling"],
)
def test_removing_a_path_line(tmp_path: Path, before: str, after: str) -> None:
    (tmp_path / "link").symlink_to("project")
    conda_pth = tmp_path / "conda.pth"
    conda_pth.write_text(before.replace("{}", str(tmp_path)), encoding="utf-8")
    editables.remove_path_line(str(tmp_path), str(tmp_path / "project"))
    assert (conda_pth.read_text("utf-8") if conda_pth.exists() else "") == after.replace("{}", str(tmp_path))
    assert [file.name for file in tmp_path.iterdir() if "pth" in file.name] == ["conda.pth"] * bool(after)


def test_removing_a_path_line_keeps_what_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "conda.pth").write_bytes(b"/repo/\xff\n/project\n")
    editables.remove_path_line(str(tmp_path), "/project")
    assert (tmp_path / "conda.pth").read_bytes() == b"/repo/\xff\n"
    editables.remove_path_line(str(tmp_path), os.fsdecode(b"/repo/\xff"))
    assert paths(tmp_path) == []


# Build files.


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    (tmp_path / "setup.cfg").write_text("", encoding="utf-8")
    (tmp_path / "README.md").write_text("", encoding="utf-8")
    return tmp_path


def changed_after(project: Path, change: object) -> bool:
    """Tell whether a change, which is called, counts as one of the build files."""
    before = editables.build_files(str(project))
    assert not editables.build_files_changed(str(project), before)
    assert callable(change)
    change()
    return editables.build_files_changed(str(project), before)


def test_build_files_are_remembered(project: Path) -> None:
    found = editables.build_files(str(project))
    assert sorted(found) == ["pyproject.toml", "setup.cfg"]
    assert found["pyproject.toml"].size == len("[project]\n")


def test_edited(project: Path) -> None:
    file = project / "pyproject.toml"
    assert changed_after(project, lambda: file.write_text("[project]\n\n", encoding="utf-8"))


@pytest.mark.parametrize("name", ["CMakeLists.txt", "meson.build", "Cargo.toml"])
def test_edited_build_file_of_a_compiled_package(project: Path, name: str) -> None:
    file = project / name
    assert changed_after(project, lambda: file.write_text("one", encoding="utf-8"))
    assert changed_after(project, lambda: file.write_text("another", encoding="utf-8"))


def test_a_fifo_is_not_waited_for(project: Path) -> None:
    (project / "setup.cfg").unlink()
    os.mkfifo(project / "setup.cfg")
    assert sorted(editables.build_files(str(project))) == ["pyproject.toml"]


def test_edited_to_the_same_size(project: Path) -> None:
    file = project / "pyproject.toml"

    def edit() -> None:
        file.write_text("[PROJECT]\n", encoding="utf-8")
        os.utime(file, (1, 1))

    assert changed_after(project, edit)


def test_touched(project: Path) -> None:
    assert not changed_after(project, lambda: os.utime(project / "pyproject.toml", (1, 1)))


def test_replaced_by_the_same(project: Path) -> None:
    file = project / "pyproject.toml"

    def replace() -> None:
        file.unlink()
        file.write_text("[project]\n", encoding="utf-8")
        os.utime(file, (2, 2))

    assert not changed_after(project, replace)


def test_added(project: Path) -> None:
    assert changed_after(project, lambda: (project / "setup.py").touch())


def test_removed(project: Path) -> None:
    assert changed_after(project, lambda: (project / "setup.cfg").unlink())


def test_other_files_do_not_count(project: Path) -> None:
    assert not changed_after(project, lambda: (project / "README.md").write_text("new", encoding="utf-8"))


def test_folder_is_gone(project: Path) -> None:
    before = editables.build_files(str(project))
    assert editables.build_files_changed(str(project / "absent"), before)
    assert editables.build_files(str(project / "absent")) == {}


def test_folder_in_place_of_a_build_file(project: Path) -> None:
    (project / "setup.py").mkdir()
    before = editables.build_files(str(project))
    assert "setup.py" not in before
    assert not editables.build_files_changed(str(project), before)


def test_link_to_a_build_file_is_followed(project: Path) -> None:
    (project / "real.toml").write_text("a", encoding="utf-8")
    (project / "setup.py").symlink_to("real.toml")
    assert changed_after(project, lambda: (project / "real.toml").write_text("ab", encoding="utf-8"))


def test_dangling_link_in_place_of_a_build_file(project: Path) -> None:
    (project / "setup.py").symlink_to("nowhere")
    assert not changed_after(project, lambda: None)


# What an editable needs at start.


def add_requirements(site_packages: Path, name: str, *requirements: str) -> None:
    file = add_distribution(site_packages, name) / "METADATA"
    lines = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
    file.write_text(f"{file.read_text('utf-8')}{lines}\nRequires-Dist: editables>=9\n", encoding="utf-8")


def test_what_is_missing_at_start(tmp_path: Path) -> None:
    assert editables.missing_at_start(str(tmp_path)) == []
    add_requirements(tmp_path, "alpha", "editables-not>=1", "numpy", 'editables>=1; extra == "dev"')
    assert editables.missing_at_start(str(tmp_path)) == []
    add_requirements(tmp_path, "beta", "torch", "editables~=0.3")
    add_requirements(tmp_path, "gamma", "editables~=0.3")
    assert editables.missing_at_start(str(tmp_path)) == ["editables~=0.3"]
    add_distribution(tmp_path, "editables")
    assert editables.missing_at_start(str(tmp_path)) == []
