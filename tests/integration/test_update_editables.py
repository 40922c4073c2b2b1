"""`devpy update-editables`: what it does to the packages in an overlay, and what it leaves alone."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from .commands import Devpy, Result, clean_environ, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository, copy_package

Environ = dict[str, str]  # the variables of a process


class Worktree:
    """A worktree on the environment `shared`, whose packages are built by themselves, without the network."""

    def __init__(self, root: Path, environ: Environ) -> None:
        self.root = root
        self.environ = environ

    def declare(self, *names: str, base: str = "shared") -> None:
        """Declare the packages in the folders of these names, making those that are not there."""
        for name in names:
            if not (self.root / name).exists():
                make_package(self.root / name, name)
        text = f'[python]\nbase_conda_env = "{base}"\n[editables]\npackages = {json.dumps(names)}\n'
        (self.root / "devpy.toml").write_text(text, encoding="utf-8")

    def update(self, *options: str) -> Result:
        return Devpy(self.environ)("update-editables", *options, cwd=self.root)

    def run(self, *command: str) -> Result:
        return Devpy(self.environ)(*command, cwd=self.root)

    def builds(self, name: str) -> int:
        """Count how often a package has been built."""
        log = self.root / name / "builds.txt"
        return len(log.read_text("utf-8").splitlines()) if log.exists() else 0

    def edit(self, name: str, before: str, after: str) -> None:
        replace_in(self.root / name / "pyproject.toml", before, after)

    def imports_own(self, name: str) -> bool:
        """Tell whether the package is imported from its folder."""
        result = self.run("python", "-c", f"import {name}; print({name}.origin())")
        return result.code == 0 and result.out.strip() == str(self.root / name / "src" / name / "__init__.py")

    def info(self) -> dict[str, object]:
        facts: dict[str, object] = json.loads(self.run("info", "--json").out)
        return facts

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def site_packages(self) -> Path:
        return next(self.venv.glob("lib/python3.*/site-packages"))


def make_package(folder: Path, name: str) -> None:
    """Make the sample project `self-built` under another name, which is its module's, too."""
    copy_package("self-built", folder)
    replace_in(folder / "pyproject.toml", "sample-self-built", name)
    (folder / "src" / "sample_self_built").rename(folder / "src" / name)


def replace_in(file: Path, before: str, after: str) -> None:
    text = file.read_text("utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")


def notes(result: Result) -> list[str]:
    """Return the first words of what devpy said it did: `installed alpha`."""
    lines = [line for line in result.err.splitlines() if line.startswith(("devpy: installed", "devpy: uninstalled"))]
    return sorted(" ".join(line.split()[1:3]) for line in lines)


@pytest.fixture(scope="module")
def steady(
    tmp_path_factory: pytest.TempPathFactory, pip_cache: Path, conda_root: Path, conda_env: CondaEnvironment
) -> Worktree:
    """A worktree like `updated`, for tests that leave it as it is."""
    assert conda_env.name == "shared"
    environ = {**clean_environ(tmp_path_factory.mktemp("home"), pip_cache), "CONDA_ENVS_DIRS": str(conda_root / "envs")}
    tree = Worktree(MakeRepository(environ)(tmp_path_factory.mktemp("steady") / "tree"), environ)
    tree.declare("alpha", "beta")
    assert tree.update().code == 0
    return tree


@pytest.fixture
def tree(tmp_path: Path, repository: MakeRepository, devpy_environ: Environ, conda_env: CondaEnvironment) -> Worktree:
    assert conda_env.name == "shared"
    return Worktree(repository(tmp_path / "tree"), devpy_environ)


@pytest.fixture
def updated(tree: Worktree) -> Worktree:
    """A worktree with the packages `alpha` and `beta` installed."""
    tree.declare("alpha", "beta")
    assert tree.update().code == 0
    return tree


# What is declared gets installed, once.


def test_everything_declared_is_installed_with_a_line_for_each(tree: Worktree) -> None:
    tree.declare("alpha", "beta")
    result = tree.update()
    assert result.code == 0
    assert result.out == ""
    assert notes(result) == ["installed alpha", "installed beta"]
    assert f"devpy: installed alpha ({tree.root / 'alpha'})" in result.err.splitlines()
    assert tree.imports_own("alpha")
    assert tree.imports_own("beta")


def test_nothing_to_do(steady: Worktree) -> None:
    listing = sorted(path for path in steady.venv.rglob("*"))
    for result in (steady.update(), steady.run("update-editables"), steady.run("--cwd", "alpha", "true")):
        assert result.code == 0
        assert result.err == ""
    assert "Nothing to do" in steady.update().out
    assert steady.builds("alpha") == steady.builds("beta") == 1
    assert sorted(path for path in steady.venv.rglob("*")) == listing


def test_overlay_takes_hardly_any_disk(steady: Worktree) -> None:
    assert sum(path.lstat().st_blocks * 512 for path in steady.venv.rglob("*")) < 300_000


def test_nothing_declared(tree: Worktree) -> None:
    tree.declare()
    result = tree.update()
    assert result.code == 0
    assert "No editable packages are declared" in result.out
    assert tree.run("python", "-c", "import pytest").code == 0


def test_from_a_folder_below_the_root(steady: Worktree) -> None:
    result = Devpy(steady.environ)("update-editables", cwd=steady.root / "alpha" / "src")
    assert "Nothing to do" in result.out


@pytest.mark.parametrize("command", [["update-editables"], ["true"]], ids=" ".join)
def test_edited_build_file_reinstalls_that_package_alone(updated: Worktree, command: list[str]) -> None:
    updated.edit("alpha", 'version = "1.0"', 'version = "2.0"')
    result = updated.run(*command)
    assert result.code == 0
    assert notes(result) == ["installed alpha"]
    assert (updated.builds("alpha"), updated.builds("beta")) == (2, 1)
    assert [path.name for path in updated.site_packages.glob("alpha-*")] == ["alpha-2.0.dist-info"]
    assert "Nothing to do" in updated.update().out


def test_added_and_removed_build_file_reinstalls(updated: Worktree) -> None:
    (updated.root / "beta" / "setup.cfg").write_text("# nothing yet\n", encoding="utf-8")
    assert notes(updated.update()) == ["installed beta"]
    (updated.root / "beta" / "setup.cfg").unlink()
    assert notes(updated.update()) == ["installed beta"]
    assert (updated.builds("alpha"), updated.builds("beta")) == (1, 3)


def test_touched_build_file_does_not_reinstall(steady: Worktree) -> None:
    os.utime(steady.root / "alpha" / "pyproject.toml")
    assert steady.run("true").err == ""
    assert "Nothing to do" in steady.update().out
    assert steady.builds("alpha") == 1


def test_edited_source_does_not_reinstall(steady: Worktree) -> None:
    source = steady.root / "alpha" / "src" / "alpha" / "__init__.py"
    source.write_text(source.read_text("utf-8") + "added = 1\n", encoding="utf-8")
    assert "Nothing to do" in steady.update().out
    assert steady.run("python", "-c", "import alpha; alpha.added").code == 0


def test_reinstall_builds_everything_again(updated: Worktree) -> None:
    result = updated.update("--reinstall")
    assert notes(result) == ["installed alpha", "installed beta"]
    assert updated.builds("alpha") == updated.builds("beta") == 2


# What is no longer declared goes.


@pytest.mark.parametrize("command", [["update-editables"], ["true"]], ids=" ".join)
def test_package_no_longer_declared_is_uninstalled(updated: Worktree, command: list[str]) -> None:
    script = updated.venv / "bin" / "beta"
    assert script.exists()
    updated.declare("alpha")
    result = updated.run(*command)
    assert result.code == 0
    assert notes(result) == ["uninstalled beta"]
    assert not script.exists()
    assert not updated.imports_own("beta")
    assert not list(updated.site_packages.glob("*beta*"))
    assert updated.imports_own("alpha")
    assert updated.builds("alpha") == 1


def test_package_is_removed_together_with_its_folder(updated: Worktree) -> None:
    updated.declare("alpha")
    shutil.rmtree(updated.root / "beta")
    result = updated.update()
    assert result.code == 0
    assert notes(result) == ["uninstalled beta"]


def test_only_the_added_package_is_installed(updated: Worktree) -> None:
    updated.declare("alpha", "beta", "gamma")
    result = updated.update()
    assert notes(result) == ["installed gamma"]
    assert (updated.builds("alpha"), updated.builds("beta"), updated.builds("gamma")) == (1, 1, 1)


def test_package_that_moved_to_another_folder(updated: Worktree) -> None:
    (updated.root / "beta").rename(updated.root / "moved")
    updated.declare("alpha", "moved")
    assert updated.update().code == 0
    result = updated.run("python", "-c", "import beta; print(beta.origin())")
    assert result.out.strip() == str(updated.root / "moved" / "src" / "beta" / "__init__.py")
    assert "Nothing to do" in updated.update().out


def test_package_that_got_another_name(updated: Worktree) -> None:
    updated.edit("beta", 'name = "beta"', 'name = "omega"')
    (updated.root / "beta" / "src" / "beta").rename(updated.root / "beta" / "src" / "omega")
    result = updated.update()
    assert result.code == 0
    assert "installed omega" in notes(result)
    assert not list(updated.site_packages.glob("*beta*")), "what it was called before is still installed"
    assert not (updated.venv / "bin" / "beta").exists()


def test_two_packages_of_one_name_are_refused(tree: Worktree) -> None:
    tree.declare("alpha", "beta")
    tree.edit("beta", 'name = "beta"', 'name = "alpha"')
    (tree.root / "beta" / "src" / "beta").rename(tree.root / "beta" / "src" / "alpha")
    result = tree.update()
    assert result.code == 2
    assert "Traceback" not in result.err
    assert "alpha" in result.err


# Failures.


def test_failing_package_is_named_and_leaves_the_others_as_they_were(updated: Worktree) -> None:
    updated.edit("alpha", 'version = "1.0"', 'version = "2.0"')
    updated.edit("beta", 'version = "1.0"', 'version = "2.0"\n# fail')

    failed = updated.update()

    assert failed.code == 2
    first, *_, last = failed.err.splitlines()
    assert first.startswith("devpy: ")
    assert "beta" in first
    assert "alpha" not in first
    assert "update-editables" in last
    assert "the build was told to fail" in failed.err
    assert "Traceback" not in failed.err
    assert notes(failed) == []
    assert updated.info()["overlay state"] == "stale"
    found = sorted(path.name for path in updated.site_packages.glob("*.dist-info"))
    assert found == ["alpha-1.0.dist-info", "beta-1.0.dist-info"]
    for name in ("alpha", "beta"):
        assert run([updated.venv / "bin" / name], cwd=updated.root, environ={}).code == 0

    again = updated.run("true")

    assert again.code == 2
    assert "the build was told to fail" in again.err

    updated.edit("beta", "# fail", "# mended")
    mended = updated.run("true")

    assert mended.code == 0
    assert notes(mended) == ["installed alpha", "installed beta"]
    assert updated.run("true").err == ""


def test_failure_in_a_fresh_worktree_is_repaired(tree: Worktree) -> None:
    tree.declare("alpha", "beta")
    tree.edit("beta", 'version = "1.0"', 'version = "1.0"\n# fail')
    assert tree.update().code == 2
    tree.edit("beta", "# fail", "# mended")
    assert tree.update().code == 0
    assert tree.imports_own("alpha")
    assert tree.imports_own("beta")


def test_verbose_shows_pips_output(tree: Worktree) -> None:
    tree.declare("alpha")
    toml = tree.root / "devpy.toml"
    toml.write_text(toml.read_text("utf-8") + 'installer = "pip"\n', encoding="utf-8")
    result = tree.update("-v")
    assert "Successfully installed alpha-1.0" in result.err
    assert result.out == ""
    assert "Successfully installed" not in tree.update("--reinstall").err


def test_verbose_shows_what_backends_print(tree: Worktree) -> None:
    tree.declare("alpha")
    backend = tree.root / "alpha" / "backend.py"
    backend.write_text(backend.read_text("utf-8") + "\nprint('the backend was here')\n", encoding="utf-8")
    result = tree.update("-v")
    assert f"{tree.root}/alpha: built\nthe backend was here" in result.err
    assert result.out == ""
    assert "the backend was here" not in tree.update("--reinstall").err


def test_verbose_failure_shows_the_output_once(tree: Worktree) -> None:
    tree.declare("alpha")
    tree.edit("alpha", 'version = "1.0"', 'version = "1.0"\n# fail')
    result = tree.update("-v")
    assert result.code == 2
    assert result.err.count("the build was told to fail") == 1
    assert result.err.splitlines()[-1].strip().startswith("mend that")


@pytest.mark.parametrize("option", ["--nonsense", "alpha"])
def test_wrong_argument(steady: Worktree, option: str) -> None:
    result = steady.update(option)
    assert result.code == 2
    assert option in result.err
    assert "Traceback" not in result.err
    assert steady.builds("alpha") == 1


def test_base_without_pip(tree: Worktree, make_conda_env: MakeCondaEnv) -> None:
    base = make_conda_env("without-pip", packages=[])
    tree.declare("alpha", base=base.name)
    result = tree.update()
    assert result.code == 2
    problem, mend = result.err.splitlines()[-2:]
    assert problem.startswith("devpy: ")
    assert "no pip" in problem
    assert str(base.prefix) in problem + mend or base.name in problem + mend
    assert "conda install" in mend


def test_base_without_pip_serves_a_worktree_without_editables(tree: Worktree, make_conda_env: MakeCondaEnv) -> None:
    base = make_conda_env("without-pip", packages=[])
    tree.declare(base=base.name)
    assert tree.run("python", "-c", "import json").code == 0


# What the user's own pip settings may not spoil.


USUAL = {
    "PIP_NO_COMPILE": "1",
    "PIP_QUIET": "1",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSAFEPATH": "1",
    "VIRTUALENV_COPIES": "1",
    "VIRTUALENV_CREATOR": "venv",
    "VIRTUALENV_DISCOVERY": "nonsense",
}


@pytest.mark.parametrize(
    "settings",
    [USUAL, {"PIP_USER": "1"}, {"PIP_TARGET": "elsewhere"}, {"PIP_PREFIX": "elsewhere"}, {"PIP_DRY_RUN": "1"}],
    ids=lambda settings: "usual" if settings is USUAL else next(iter(settings)),
)
def test_settings_of_the_users_own(tree: Worktree, settings: Environ) -> None:
    tree.declare("alpha")
    result = Devpy({**tree.environ, **settings})("update-editables", cwd=tree.root)
    assert result.code == 0
    assert notes(result) == ["installed alpha"]
    assert tree.imports_own("alpha")
    assert (tree.venv / "bin" / "python").is_symlink()
    assert not (tree.root / "elsewhere").exists()


# Editables that came in some other way.


def add_by_hand(tree: Worktree, name: str, kind: str) -> Path:
    """Put an editable into the overlay as a tool that never asks pip does, and return its folder."""
    folder = tree.root / name
    make_package(folder, name)
    (tree.site_packages / f"{name}.pth").write_text(f"{folder / 'src'}\n", encoding="utf-8")
    if kind == "egg-link":
        (folder / "src" / f"{name}.egg-info").mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        (folder / "src" / f"{name}.egg-info" / "PKG-INFO").write_text(metadata, encoding="utf-8")
        (tree.site_packages / f"{name}.egg-link").write_text(f"{folder / 'src'}\n../", encoding="utf-8")
        (tree.site_packages / f"{name}.pth").rename(tree.site_packages / "easy-install.pth")
        return folder
    dist_info = tree.site_packages / f"{name}-1.0.dist-info"
    dist_info.mkdir()
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        "INSTALLER": "other\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "direct_url.json": json.dumps({"url": folder.as_uri(), "dir_info": {"editable": True}}),
    }
    rows = [f"{name}.pth,,", *(f"{dist_info.name}/{file},," for file in [*files, "RECORD"])]
    for file, text in {**files, "RECORD": "\n".join(rows) + "\n"}.items():
        (dist_info / file).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("kind", ["direct_url.json", "egg-link"])
def test_editable_that_came_in_otherwise(updated: Worktree, kind: str) -> None:
    folder = add_by_hand(updated, "stranger", kind)
    for _ in range(2):  # not only once
        warned = updated.run("true")
        assert warned.code == 0
        assert [line for line in warned.err.splitlines() if "warning" in line and str(folder) in line]
    packages = updated.info()["editable packages"]
    assert isinstance(packages, list)
    assert {"path": str(folder), "state": "installed, but not declared"} in packages
    result = updated.update()
    assert result.code == 0
    assert notes(result) == ["uninstalled stranger"]
    assert updated.run("true").err == ""
    assert not updated.imports_own("stranger")
    assert (folder / "src" / "stranger").is_dir()


def test_editable_that_came_in_otherwise_and_is_then_declared(updated: Worktree) -> None:
    add_by_hand(updated, "stranger", "direct_url.json")
    updated.declare("alpha", "beta", "stranger")
    result = updated.run("true")
    assert result.code == 0
    assert "warning" not in result.err
    assert updated.imports_own("stranger")


def test_regular_package_in_the_overlay_is_left_alone(updated: Worktree) -> None:
    copy_package("self-built", updated.root / "regular")
    assert updated.run("pip", "install", "--quiet", "./regular").code == 0
    assert updated.run("true").code == 0
    assert notes(updated.update()) == []
    assert updated.run("python", "-c", "import sample_self_built").code == 0


def test_regular_install_of_a_declared_package_is_replaced(updated: Worktree) -> None:
    assert updated.run("pip", "install", "--quiet", "./alpha").code == 0
    result = updated.run("true")
    assert result.code == 0
    assert updated.imports_own("alpha")


def test_uninstalled_by_hand_comes_back(updated: Worktree) -> None:
    assert updated.run("pip", "uninstall", "--quiet", "--yes", "alpha").code == 0
    assert updated.imports_own("alpha")
    assert updated.builds("alpha") == 2


def test_legacy_tools_of_an_old_base(tree: Worktree, make_conda_env: MakeCondaEnv) -> None:
    base = make_conda_env("pip-20.3.4", python="3.8", packages=["pip==20.3.4", "setuptools==75.3.0"])
    copy_package("legacy-setup-py", tree.root / "legacy-setup-py")
    tree.declare("legacy-setup-py", base=base.name)
    result = tree.update()
    assert result.code == 0
    assert notes(result) == ["installed sample-legacy-setup-py"]
    code = "import sample_legacy_setup_py as it; print(it.origin())"
    expected = str(tree.root / "legacy-setup-py" / "sample_legacy_setup_py" / "__init__.py")
    assert tree.run("python", "-c", code).out.strip() == expected
    assert tree.run("true").err == ""
    tree.declare("alpha", base=base.name)
    assert "installed alpha" in notes(tree.update())
    toml = tree.root / "devpy.toml"
    toml.write_text(toml.read_text("utf-8") + 'installer = "pip"\n', encoding="utf-8")
    refused = tree.update("--reinstall")
    assert refused.code == 2  # this pip is too old for it
    assert "setup.py" in refused.err
    assert "Traceback" not in refused.err
    tree.declare(base=base.name)
    assert tree.update().code == 0
    assert tree.run("python", "-c", code).code == 1


def test_dependency_that_the_base_loses_comes_into_the_overlay(
    tree: Worktree, make_conda_env: MakeCondaEnv, conda_env: CondaEnvironment
) -> None:
    base = make_conda_env.clone(conda_env, "loses-six")
    metadata = base.site_packages / "six-1.17.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: six\nVersion: 1.17.0\n", encoding="utf-8")
    (base.site_packages / "six.py").touch()
    copy_package("with-dependency", tree.root / "with-dependency")
    tree.declare("with-dependency", base=base.name)
    with (tree.root / "devpy.toml").open("a") as stream:
        stream.write("install_deps = true\n")
    where = ("python", "-c", "import sample_with_dependency as it; print(it.dependency())")
    assert tree.run(*where).out.strip() == str(base.site_packages / "six.py")
    (base.site_packages / "six.py").unlink()
    shutil.rmtree(metadata.parent)
    with (base.prefix / "conda-meta" / "history").open("a") as stream:
        stream.write("-six\n")
    assert tree.run(*where).out.strip() == str(tree.site_packages / "six.py")
