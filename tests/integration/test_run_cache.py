"""A run after one that left a run cache: fast, and never wrong."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from .commands import Devpy, Result, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository, copy_package

TOML = '[python]\nbase_conda_env = "{base}"\n\n[editables]\npackages = ["self-built"]\n\n[env]\nWHICH = "{which}"\n'
ORIGIN = ("python", "-c", "import sample_self_built; print(sample_self_built.__file__)")
SHOW = ("sh", "-c", 'echo "$WHICH"')


class Tree:
    """A worktree in which a command has just left a run cache."""

    def __init__(self, root: Path, base: CondaEnvironment, devpy: Devpy, environ: dict[str, str]) -> None:
        self.root = root
        self.base = base
        self.environ = environ
        self._devpy = devpy
        self.config(which="first")
        assert self("true").code == 0
        self.leave_cache()

    def __call__(self, *arguments: str, **more: str) -> Result:
        return self._devpy(*arguments, cwd=self.root, environ={**self.environ, **more})

    def config(self, which: str = "first", more: str = "") -> None:
        text = TOML.format(base=self.base.name, which=which) + more
        (self.root / "devpy.toml").write_text(text, encoding="utf-8")

    def leave_cache(self) -> None:
        time.sleep(2.1)  # what has just changed is not cached
        assert self("true").code == 0
        assert self.caches()

    def caches(self) -> list[Path]:
        runs = Path(self.environ["HOME"], ".cache", "devpy", "runs")
        return list(runs.joinpath(*self.root.parts[1:]).glob("run-record*"))

    def imported(self) -> set[str]:
        """Return the modules that devpy imports on top of a bare interpreter to run a command."""
        code = "from devpy_runner.cli import main; main(['true'])"
        return self._modules(code) - self._modules("pass")

    def _modules(self, code: str) -> set[str]:
        result = run([sys.executable, "-X", "importtime", "-c", code], cwd=self.root, environ=self.environ)
        return {line.rpartition("|")[2].strip() for line in result.err.splitlines() if line.startswith("import time:")}


@pytest.fixture
def tree(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy, devpy_environ: dict[str, str]
) -> Tree:
    root = repository(tmp_path / "tree", "self-built")
    return Tree(root, conda_env, devpy, devpy_environ)


def test_the_run_path_imports_next_to_nothing(tree: Tree) -> None:
    assert tree.imported() == {
        "__future__",
        "devpy_pip_guard",
        "devpy_pip_guard.errors",
        "devpy_pip_guard.files",
        "devpy_runner",
        "devpy_runner.activate",
        "devpy_runner.activate.activation",
        "devpy_runner.cli",
        "devpy_runner.activate.environment",
        "devpy_runner.activate.execution",
        "devpy_runner.run",
        "devpy_runner.records",
        "devpy_runner.records.run_cache",
        "devpy_runner.worktree",
        "devpy_virtualenv_plugin",
        "errno",
    }


@pytest.mark.parametrize("which", ["second", "third"])  # of other and of the same length
def test_an_edit_of_devpy_toml_counts_at_once(tree: Tree, which: str) -> None:
    assert tree(*SHOW).out == "first\n"
    tree.config(which)
    assert tree(*SHOW).out == f"{which}\n"


def test_a_broken_devpy_toml_is_noticed(tree: Tree) -> None:
    tree.config(more="[nonsense]\n")
    result = tree(*SHOW)
    assert (result.code, result.out) == (2, "")


def test_a_removed_devpy_toml_is_noticed(tree: Tree) -> None:
    (tree.root / "devpy.toml").unlink()
    assert tree(*SHOW).code == 2


def test_a_new_declaration_is_installed(tree: Tree) -> None:
    copy_package("flit", tree.root / "flit")
    text = (tree.root / "devpy.toml").read_text("utf-8").replace('["self-built"]', '["self-built", "flit"]')
    (tree.root / "devpy.toml").write_text(text, encoding="utf-8")
    assert tree("python", "-c", "import sample_flit").code == 0


def test_an_edited_build_file_is_noticed(tree: Tree) -> None:
    with open(tree.root / "self-built" / "pyproject.toml", "a", encoding="utf-8") as stream:
        stream.write("# edited\n")
    assert "installed sample-self-built" in tree("true").err


@pytest.mark.parametrize("name", ["setup.cfg", "CMakeLists.txt", "meson.build", "Cargo.toml"])
def test_a_new_build_file_is_noticed(tree: Tree, name: str) -> None:
    (tree.root / "self-built" / name).touch()
    assert "installed sample-self-built" in tree("true").err


@pytest.mark.parametrize("part", ["devpy.json", "pyvenv.cfg", "bin/python", "devpy-start"])
def test_a_lost_part_of_the_overlay_is_noticed(tree: Tree, part: str) -> None:
    (tree.root / ".venv" / part).unlink()
    assert tree(*ORIGIN).out.startswith(str(tree.root))
    assert (tree.root / ".venv" / part).exists()


def test_a_removed_overlay_is_made_again(tree: Tree) -> None:
    assert tree("clean").code == 0
    assert tree("python", "-c", "import sample_self_built").code == 0


def test_a_condarc_counts_at_once(tree: Tree) -> None:
    assert tree("sh", "-c", 'echo "$CONDA_PROMPT_MODIFIER"').out.strip() != ""
    Path(tree.environ["HOME"], ".condarc").write_text("changeps1: false\n", encoding="utf-8")
    assert tree("sh", "-c", 'echo "$CONDA_PROMPT_MODIFIER"').out.strip() == ""


def test_variables_of_conda_count_at_once(tree: Tree) -> None:
    assert tree("sh", "-c", 'echo "$CONDA_PROMPT_MODIFIER"', CONDA_CHANGEPS1="false").out.strip() == ""


def test_an_editable_install_is_still_refused(tree: Tree) -> None:
    assert tree("pip", "install", "-e", ".").code == 2
    assert tree("python", "-m", "pip", "install", "--editable", ".").code == 2


def test_a_warning_comes_every_time(tree: Tree, tmp_path: Path, repository: MakeRepository) -> None:
    other = repository(tmp_path / "other", files={"devpy.toml": ""})
    for _ in range(2):
        assert f"PYTHONPATH: {other}" in tree("true", PYTHONPATH=str(other)).err
        time.sleep(2.1)


def test_a_relative_pythonpath_counts_from_where_the_command_runs(
    tree: Tree, tmp_path: Path, repository: MakeRepository
) -> None:
    repository(tmp_path / "other", files={"devpy.toml": ""})
    elsewhere = tmp_path / "some" / "where"
    elsewhere.mkdir(parents=True)
    assert tree("--cwd", str(elsewhere), "true", PYTHONPATH="../other").err == ""
    assert "PYTHONPATH: ../other" in tree("true", PYTHONPATH="../other").err


def test_a_symlink_to_another_checkout_is_noticed(tree: Tree, tmp_path: Path) -> None:
    for name in ("one", "two"):
        copy_package("self-built", tmp_path / name)
    link = tree.root / "link"
    link.symlink_to(tmp_path / "one")
    text = (tree.root / "devpy.toml").read_text("utf-8").replace('"self-built"', '"link"')
    (tree.root / "devpy.toml").write_text(text, encoding="utf-8")
    assert str(tmp_path / "one") in tree(*ORIGIN).out
    tree.leave_cache()
    link.unlink()
    link.symlink_to(tmp_path / "two")
    assert str(tmp_path / "two") in tree(*ORIGIN).out


def test_another_repository_in_the_same_place(tree: Tree, repository: MakeRepository) -> None:
    tree.root.rename(tree.root.with_name("moved"))
    repository(tree.root, "self-built")
    tree.config("another")
    assert tree(*SHOW).out == "another\n"
    result = tree(*ORIGIN)
    assert result.out.startswith(f"{tree.root}/")


def test_a_home_that_cannot_be_written_to(tree: Tree) -> None:
    assert tree(*SHOW, HOME="/dev/null", XDG_CACHE_HOME="/dev/null").out == "first\n"


def test_a_broken_cache_does_no_harm(tree: Tree) -> None:
    for path in tree.caches():
        path.write_bytes(b"0.2.0\0\xff\0\0")
    assert tree(*SHOW).out == "first\n"


# Several shells.


@pytest.fixture
def log(tree: Tree, make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment, tmp_path: Path) -> Path:
    """A file to which the activation script of the tree's base adds a line whenever it runs."""
    tree.base = make_conda_env.clone(conda_env, f"logging-{tmp_path.name}")
    script = tree.base.prefix / "etc" / "conda" / "activate.d" / "log.sh"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"echo ran >> {tmp_path}/log\n", encoding="utf-8")
    tree.config()
    return tmp_path / "log"


def test_shells_that_take_turns(tree: Tree, log: Path) -> None:
    """Each command runs the scripts for itself alone, once all shells have had their turn."""
    root = tree.environ["MAMBA_ROOT_PREFIX"]
    shells = [
        {},
        {"CONDA_PREFIX": root, "CONDA_SHLVL": "1", "CONDA_DEFAULT_ENV": "base"},
        {"CONDA_CHANGEPS1": "false"},
        {"_CONDA_ROOT": root, "CONDA_ENV_PROMPT": "<{name}>"},
        {"PATH": "/usr/bin:/bin", "MAMBA_ROOT_PREFIX": "/nowhere", "XDG_CONFIG_HOME": "/nowhere"},
    ]
    assert tree("true").code == 0
    time.sleep(2.1)  # what has just changed is not cached
    for shell in shells:
        assert tree("true", **shell).code == 0
    before = files_of_earlier_run(tree)
    log.write_text("", encoding="utf-8")
    for _ in range(2):
        for shell in shells:
            assert tree("true", **shell).code == 0
    assert log.read_text("utf-8").splitlines() == ["ran"] * 2 * len(shells)
    assert files_of_earlier_run(tree) == before


def files_of_earlier_run(tree: Tree) -> set[tuple[Path, int]]:
    files = [*tree.caches(), tree.root / ".venv" / "devpy-start"]
    return {(path, path.stat().st_mtime_ns) for path in files}


def test_caches_of_many_shells_do_not_pile_up(tree: Tree) -> None:
    for number in range(30):
        assert tree("true", CONDA_ENV_PROMPT=f"<{number}>").code == 0
    assert len(tree.caches()) < 20
