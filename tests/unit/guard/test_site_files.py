"""What each Python takes from `.pth` and `.start` files; for those on this machine, compared with what they do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from devpy_pip_guard import site_files

from ...integration import interpreters
from .overlay import write_files


@pytest.fixture
def of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], ModuleType]:
    """Return the module as Python 3.X runs it."""

    def of(minor: int) -> ModuleType:
        monkeypatch.setattr(site_files, "sys", SimpleNamespace(version_info=(3, minor)))
        return site_files

    return of


FILES = {
    "a.pth": "# import comment\n\n/folder\nimport first; first.install()\n  \nrelative\nimport\ttabbed\n",
    "b.pth": "import replaced\n/beside\n",
    "b.start": "# comment\n\npackage.module:install\n  other : spaced \n",
    "c.start": "alone:name.inner\n",
    ".hidden.pth": "/hidden\n",
    ".hidden.start": "hidden:name\n",
    "d.txt": "/text\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path, FILES)


@pytest.mark.parametrize("minor", [8, 14, 15, 17, 18, 20])
def test_folders(folder: Path, of: Callable[[int], ModuleType], minor: int) -> None:
    expected = [("a.pth", "/folder"), ("a.pth", f"{folder}/relative"), ("b.pth", "/beside")]
    assert of(minor).folders(str(folder)) == [(f"{folder}/{name}", path) for name, path in expected]


ENTRY_POINTS = [("b.start", "package.module"), ("b.start", "other "), ("c.start", "alone")]
IMPORTS = [("a.pth", "import first; first.install()"), ("a.pth", "import\ttabbed")]


@pytest.mark.parametrize(
    ("minor", "expected"),
    [
        (8, [*IMPORTS, ("b.pth", "import replaced")]),
        (14, [*IMPORTS, ("b.pth", "import replaced")]),
        (15, IMPORTS + ENTRY_POINTS),
        (17, IMPORTS + ENTRY_POINTS),
        (18, ENTRY_POINTS),
        (20, ENTRY_POINTS),
    ],
)
def test_code(folder: Path, of: Callable[[int], ModuleType], minor: int, expected: list[tuple[str, str]]) -> None:
    assert of(minor).code(str(folder)) == [(f"{folder}/{name}", line) for name, line in expected]


def test_of_some_files(folder: Path, of: Callable[[int], ModuleType]) -> None:
    """As the RECORD of a distribution names them; that of the `.start` beside a `.pth` may be another's."""
    names = ["x/y.pth", "c.start", "b.pth", "b.dist-info/RECORD"]
    assert of(15).folders(str(folder), names) == [(f"{folder}/b.pth", "/beside")]
    assert of(15).code(str(folder), names) == [(f"{folder}/c.start", "alone")]


def test_start_file_that_site_passes_over(folder: Path, of: Callable[[int], ModuleType]) -> None:
    (folder / "b.start").write_bytes(b"package:name\n\xff:name\n")
    (folder / "e.pth").write_text("import beside_nothing\n", encoding="utf-8")
    (folder / "e.start").symlink_to("nowhere")
    expected = [*IMPORTS, ("b.pth", "import replaced"), ("e.pth", "import beside_nothing"), ("c.start", "alone")]
    assert of(15).code(str(folder)) == [(f"{folder}/{name}", line) for name, line in expected]


def test_empty_start_file_replaces_the_lines_beside_it(folder: Path, of: Callable[[int], ModuleType]) -> None:
    (folder / "a.start").touch()
    assert of(15).code(str(folder)) == [(f"{folder}/{name}", line) for name, line in ENTRY_POINTS]


@pytest.mark.parametrize("minor", [8, 15])
def test_mark_of_utf_8(folder: Path, of: Callable[[int], ModuleType], minor: int) -> None:
    """scikit-build-core writes one."""
    (folder / "a.pth").write_text("\ufeff/ä\n", encoding="utf-8")
    (folder / "b.start").write_text("\ufeffmodule:name\n", encoding="utf-8")
    assert of(minor).folders(str(folder), ["a.pth"]) == [(f"{folder}/a.pth", "/ä")]
    expected = [] if minor < 15 else [(f"{folder}/b.start", "module")]
    assert of(minor).code(str(folder), ["b.start"]) == expected


@pytest.mark.parametrize("minor", [8, 15])
def test_bytes_that_are_no_text(folder: Path, of: Callable[[int], ModuleType], minor: int) -> None:
    (folder / "a.pth").write_bytes(b"/\xff\0\n")
    assert of(minor).folders(str(folder), ["a.pth"]) == [(f"{folder}/a.pth", "/\udcff")]


@pytest.mark.parametrize(("minor", "expected"), [(14, "{}/ /spaced"), (15, "/spaced")])
def test_space_ahead_of_a_line(folder: Path, of: Callable[[int], ModuleType], minor: int, expected: str) -> None:
    (folder / "a.pth").write_text(" /spaced \n", encoding="utf-8")
    assert of(minor).folders(str(folder), ["a.pth"]) == [(f"{folder}/a.pth", expected.format(folder))]


@pytest.mark.parametrize("minor", [8, 11, 13, 14, 15])
def test_the_same_as_a_real_site(tmp_path: Path, of: Callable[[int], ModuleType], minor: int) -> None:
    """Each module tells that it runs."""
    names = ["first", "tabbed", "replaced", "package/module", "alone"]
    told = "def tell():\n    print('run', __name__)\n"
    modules = {f"{name}.py": told for name in names}
    write_files(tmp_path, {**modules, **{f"{name}/made": "" for name in ("relative", "beside")}})
    pths = {
        "a.pth": "# comment\nrelative\nimport first; first.tell()\n\nimport\ttabbed; tabbed.tell()\n",
        "b.pth": "import replaced; replaced.tell()\nbeside\n",
    }
    write_files(tmp_path, {**pths, "b.start": "\ufeffpackage.module:tell\n", "c.start": "\n# c\nalone:tell\n"})
    program = (
        "import site, sys; length = len(sys.path); site.addsitedir(sys.argv[1]); "
        "print(*sys.path[length + 1:], sep='\\n')"
    )
    command = [str(interpreters.find(f"3.{minor}").program), "-I", "-S", "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ran = [line[len("run ") :] for line in done.stdout.splitlines() if line.startswith("run ")]
    added = [line for line in done.stdout.splitlines() if line.startswith("/")]
    folders = [folder for _, folder in of(minor).folders(str(tmp_path))]
    code = [line.removeprefix("import").strip().partition(";")[0] for _, line in of(minor).code(str(tmp_path))]
    assert (added, ran, done.stderr) == (folders, code, "")
