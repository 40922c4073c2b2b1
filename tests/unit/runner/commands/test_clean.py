"""`devpy clean` on a tree of things that must not go, whatever `python.venv` says."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devpy_pip_guard.errors import DevpyError
from devpy_runner.cli import main
from devpy_runner.overlay import removal
from devpy_runner.records import run_cache
from devpy_virtualenv_plugin import __version__, mounts, record

from ...fuzzing import NASTY_TEXTS, fuzzed, texts

Tree = dict[str, str]

TOML = '[python]\nbase_conda_env = "no-such-base"\nvenv = {}\n[editables]\npackages = ["src/pkg"]\n'
OVERLAYS = (".venv", "build/venv", "copy", "Üb erlay")
"""What may go, if python.venv names it: marked folders in the repository, one of them copied from elsewhere."""


class Canary:
    """A repository with overlays, among others that do not belong to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "repo"
        self.environ = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}

    def make(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ("sibling", "outside", ".cache"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("outside/data", "outside/.venv/data", "outside/venv/x", "repo/src/pkg/setup.py", "repo/.git/HEAD"):
            self.write(name)
        self.write("repo/.git/config", "[core]\n")
        for worktree in ("sibling", "repo/wt/feature"):
            self.write(f"repo/.git/worktrees/{Path(worktree).name}/commondir", "../..\n")
            self.write(f"{worktree}/.git", f"gitdir: {self.root}/.git/worktrees/{Path(worktree).name}\n")
            self.write(f"{worktree}/devpy.toml", TOML.format('".venv"'))
            self.overlay(f"{worktree}/.venv")
        self.overlay("outside/.venv")
        for name in OVERLAYS:
            self.overlay(f"repo/{name}", made_as="sibling/.venv" if name == "copy" else None)
        (self.root / "empty").mkdir()
        links = {"out": "../outside", "side": "../sibling", "nest": "wt/feature", "in": "build", "venvlink": ".venv"}
        for link, target in {**links, "loop": "loop", "up": "..", "here": ".", "dangling": "gone"}.items():
            (self.root / link).symlink_to(target)
        self.configure(".venv")

    def write(self, name: str, text: str = "precious") -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def overlay(self, name: str, made_as: str | None = None) -> None:
        venv = self.folder / name
        for path in ("bin/python", "lib/python3.11/site-packages/deep/er/file", ".gitignore"):
            self.write(f"{name}/{path}")
        (venv / "lib" / "folder").symlink_to(self.folder / "outside")
        (venv / "file").symlink_to(self.folder / "outside" / "data")
        (venv / "cfg").symlink_to(self.root / ".git" / "config")
        os.link(self.folder / "outside" / "venv" / "x", venv / "bin" / "hard-link")
        about = {"version": __version__, "venv": str(self.folder / (made_as or name))}
        self.write(f"{name}/{record.FILE_NAME}", json.dumps(about))

    def configure(self, venv: str) -> None:
        text = TOML.format(json.dumps(venv, ensure_ascii=False))
        (self.root / "devpy.toml").write_text(text, encoding="utf-8", errors="replace")

    def tree(self) -> Tree:
        """Return what is in each file and at the end of each link, and the names of the folders."""
        return {str(path.relative_to(self.folder)): self._content(path) for path in self.folder.rglob("*")}

    def _content(self, path: Path) -> str:
        if path.is_symlink():
            return f"-> {os.readlink(path)}"
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Canary:
    tree = Canary(Path(os.path.realpath(tmp_path)))
    tree.make()
    for name in [*os.environ]:
        if name.startswith(("GIT_", "CONDA", "DEVPY", "XDG_", "MAMBA")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tree.folder))
    monkeypatch.chdir(tree.root)
    return tree


NAMES = (
    *(".venv", "build", "venv", "copy", "..", ".", "", "out", "side", "nest", "in", "up", "here", "loop", "venvlink"),
    *("wt", "feature", "src", "pkg", ".git", "worktrees", "~", "repo", "outside", "sibling", "empty", "dangling"),
    *(".VENV", ".Git", "\uff0evenv", ".ve\u0301nv", ".venv ", ".venv.", "Üb erlay", "U\u0308b erlay", "$HOME", "*"),
)
VALUES = (
    *(".venv/", ".venv/.", "./.venv", "build/../.venv", "src/../..", "src/../../repo/.venv", "../repo/.venv"),
    *("/", "//", "~", "~/", "~/repo", "~/repo/.venv", "~/sibling/.venv", "~root", "../sibling/.venv", "..//sibling"),
    *("out/.venv", "side/.venv", "nest/.venv", "wt/feature/.venv", "in/venv", "up/repo/.venv", "here/.venv"),
    *("venvlink", "venvlink/", "venvlink/bin", "loop", "loop/.venv", "dangling", "dangling/x", "out/../.venv"),
    *("src/pkg", "src", ".git", ".git/worktrees", ".GIT/x", "devpy.toml", "devpy.toml/x", ".venv/bin", ".venv/lib"),
    *NASTY_TEXTS,
)
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=5).map("/".join)
venvs = st.sampled_from(VALUES) | paths | paths.map("/".__add__) | paths.map("~/".__add__) | texts


@fuzzed
@given(venv=venvs, arguments=st.sampled_from(([], ["--shared"])))
@example(venv="wt/feature/.venv", arguments=[])
@example(venv="nest/.venv", arguments=[])
@example(venv="empty", arguments=[])
@example(venv="dangling", arguments=[])
@example(venv=".venv", arguments=[])
def test_nothing_goes_but_a_marked_overlay_where_the_config_says(
    canary: Canary, venv: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    canary.make()
    canary.configure(venv)
    tree = canary.tree()
    place = named_place(canary, venv)
    code = main(["clean", *arguments])
    remaining, printed = canary.tree(), capsys.readouterr()
    assert remaining.items() <= tree.items()
    gone = tree.keys() - remaining.keys()
    if gone:
        assert code == 0
        assert place in (*OVERLAYS, "venvlink")
        assert gone == {name for name in tree if f"{name}/".startswith(f"repo/{place}/")}
    if code != 0:
        assert code == 2
        assert printed.err.startswith("devpy: ")
        assert len(printed.err.splitlines()) == 2


def named_place(canary: Canary, venv: str) -> str:
    """Return the place that `python.venv` names, from the root, with the links on the way to it resolved."""
    path = os.path.normpath(os.path.join(canary.root, os.path.expanduser(venv.replace("\0", ""))))
    return os.path.relpath(os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)), canary.root)


@pytest.mark.parametrize("venv", OVERLAYS)
def test_a_marked_overlay_goes(canary: Canary, venv: str) -> None:
    canary.configure(venv)
    tree = canary.tree()
    assert main(["clean"]) == 0
    gone = set(tree) - set(canary.tree())
    assert gone == {name for name in tree if f"{name}/".startswith(f"repo/{venv}/")}


@pytest.mark.parametrize("venv", ["wt/feature/.venv", "nest/.venv", "wt/feature/new", "side/.venv"])
def test_another_worktrees_overlay_stays_even_inside_this_one(
    canary: Canary, venv: str, capsys: pytest.CaptureFixture[str]
) -> None:
    canary.configure(venv)
    tree = canary.tree()
    assert main(["clean"]) == 2
    assert "python.venv" in capsys.readouterr().err
    assert canary.tree() == tree


def test_a_link_to_an_empty_folder_stays(canary: Canary) -> None:
    (canary.root / "emptylink").symlink_to("empty")
    canary.configure("emptylink")
    tree = canary.tree()
    assert main(["clean"]) == 2
    assert canary.tree() == tree


def test_a_link_in_the_place_of_the_lock(canary: Canary) -> None:
    (canary.root / ".venv" / record.LOCK_NAME).symlink_to(canary.folder / "outside" / "data")
    main(["clean"])
    assert (canary.folder / "outside" / "data").read_text("utf-8") == "precious"


def test_what_a_crash_at_the_very_start_has_left_goes(canary: Canary) -> None:
    (canary.root / "empty" / record.LOCK_NAME).touch()
    canary.configure("empty")
    assert main(["clean"]) == 0
    assert not (canary.root / "empty").exists()


def test_a_link_that_takes_the_place_of_the_overlay_meanwhile(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    venv = canary.root / ".venv"

    @contextmanager
    def swap(_: str) -> Iterator[None]:
        venv.rename(canary.root / "away")
        venv.symlink_to(canary.folder / "sibling" / ".venv")
        yield

    monkeypatch.setattr(removal, "locked", swap)
    tree = {name: content for name, content in canary.tree().items() if name.startswith("sibling/")}
    assert main(["clean"]) == 2
    assert {name: content for name, content in canary.tree().items() if name.startswith("sibling/")} == tree


def test_somebodys_folder_that_takes_the_place_of_the_overlay_meanwhile(canary: Canary) -> None:
    (canary.root / ".venv" / record.FILE_NAME).unlink()
    tree = canary.tree()
    with pytest.raises(DevpyError, match="was not made by devpy"):
        removal.remove(str(canary.root / ".venv"))
    (canary.root / ".venv" / record.LOCK_NAME).unlink(missing_ok=True)
    assert canary.tree() == tree


def test_nothing_goes_where_something_is_mounted(
    canary: Canary, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mounted = canary.root / ".venv" / "lib"
    monkeypatch.setattr(mounts, "_mount_points", lambda: ["/", str(canary.folder), str(mounted)])
    tree = canary.tree()
    assert main(["clean"]) == 2
    assert capsys.readouterr().err == f"devpy: {mounted}: something is mounted there\n  umount {mounted}\n"
    (canary.root / ".venv" / record.LOCK_NAME).unlink(missing_ok=True)
    assert canary.tree() == tree


def test_real_mounts(canary: Canary, capsys: pytest.CaptureFixture[str]) -> None:
    mounted = canary.root / ".venv" / "lib" / "a b"
    mounted.mkdir()
    with bind_mount(canary.folder / "outside", mounted):
        assert main(["clean"]) == 2
        assert str(mounted) in capsys.readouterr().err
    assert (canary.folder / "outside" / "data").read_text("utf-8") == "precious"


def test_an_overlay_that_is_a_mount_point_is_emptied(canary: Canary) -> None:
    venv = canary.root / ".venv"
    with bind_mount(canary.folder / "outside" / ".venv", venv):
        assert main(["clean"]) == 0
        assert os.listdir(venv) == []
        assert main(["clean"]) == 0


@contextmanager
def bind_mount(source: Path, target: Path) -> Iterator[None]:
    command = ["mount", "--bind", str(source), str(target)]
    if not shutil.which("mount") or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("may not mount")
    try:
        yield
    finally:
        subprocess.run(["umount", target], check=True)  # noqa: S607 - whichever is on PATH


# What devpy remembers of runs.


def leave_caches(canary: Canary, root: Path) -> Path:
    folder = Path(run_cache._folder(str(root), canary.environ))
    folder.mkdir(parents=True)
    for name in ("run-record-3", "run-record-variables", "run-record-3.4711"):
        (folder / name).touch()
    return folder


def test_run_caches_go_with_the_overlay(canary: Canary) -> None:
    folder = leave_caches(canary, canary.root)
    sibling_caches = leave_caches(canary, canary.folder / "sibling")
    assert main(["clean"]) == 0
    assert not folder.exists()
    assert len(os.listdir(sibling_caches)) == 3


def test_run_caches_go_even_if_no_overlay_is_left(canary: Canary) -> None:
    shutil.rmtree(canary.root / ".venv")
    leave_caches(canary, canary.root)
    tree = set(canary.tree())
    assert main(["clean"]) == 0
    assert {name for name in tree - set(canary.tree()) if not name.startswith(".cache/devpy")} == set()
    assert os.listdir(canary.folder / ".cache" / "devpy") == ["runs"]
    assert os.listdir(canary.folder / ".cache" / "devpy" / "runs") == []


def test_run_caches_of_a_worktree_inside_stay(canary: Canary) -> None:
    inner = canary.root / "run-record-1"
    inner_caches = leave_caches(canary, inner)
    folder = leave_caches(canary, canary.root) if not inner_caches.parent.exists() else inner_caches.parent
    (folder / "run-record-7").touch()
    (folder / "somebodys").touch()
    assert main(["clean"]) == 0
    assert sorted(os.listdir(folder)) == ["run-record-1", "somebodys"]
    assert len(os.listdir(inner_caches)) == 3


def test_run_caches_stay_if_nothing_is_removed(canary: Canary) -> None:
    folder = leave_caches(canary, canary.root)
    canary.configure("src")
    assert main(["clean"]) == 2
    assert len(os.listdir(folder)) == 3
