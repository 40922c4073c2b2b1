from __future__ import annotations

from pathlib import Path

import pytest

from devpy_pip_guard.errors import DevpyError
from devpy_runner.base import condarc, installations
from devpy_runner.base.condarc import read_settings
from devpy_runner.base.lookup import Base, existing_environments, find_base
from devpy_runner.base.prefix import check_prefix, python_version

NO_INSTALL_MEND = (
    "set CONDA_EXE (the path of bin/conda) or CONDA_ENVS_DIRS (the folder of the environments), "
    "or write the environment's path in devpy.toml"
)


@pytest.fixture(autouse=True)
def only_tmp_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condarc, "_SYSTEM_FOLDERS", ())
    monkeypatch.setattr(installations, "_USUAL_ROOTS", ())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the prefix of a conda install."""
    return make_environment(tmp_path / "conda")


@pytest.fixture
def environ(tmp_path: Path, root: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "_CONDA_ROOT": str(root)}


@pytest.fixture
def bare(environ: dict[str, str]) -> dict[str, str]:
    """Return variables that lead to no conda install."""
    return {name: value for name, value in environ.items() if name != "_CONDA_ROOT"}


def make_environment(prefix: Path) -> Path:
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta/history").touch()
    return prefix


def add_python(prefix: Path, name: str = "python3.11") -> None:
    (prefix / "bin").mkdir()
    (prefix / "bin" / name).touch()
    (prefix / "bin/python").symlink_to(name)


def error_of(name: str, environ: dict[str, str]) -> DevpyError:
    with pytest.raises(DevpyError) as caught:
        find_base(name, environ)
    return caught.value


# Name to prefix


def test_a_path_is_taken_as_it_is(tmp_path: Path, bare: dict[str, str]) -> None:
    prefix = str(tmp_path / "sp ace/é ü")
    assert find_base(prefix, bare) == Base(prefix, prefix)


@pytest.mark.parametrize("name", ["base", "root"])
def test_base_is_the_root_prefix_whatever_envs_dirs_hold(root: Path, environ: dict[str, str], name: str) -> None:
    make_environment(root / "envs" / name)
    assert find_base(name, environ) == Base(name, str(root))


@pytest.mark.parametrize("name", ["torch", "sp ace", "é ü"])
def test_an_environment_of_the_install(root: Path, environ: dict[str, str], name: str) -> None:
    make_environment(root / "envs" / name)
    assert find_base(name, environ) == Base(name, str(root / "envs" / name))


def test_the_first_folder_of_that_name_wins_environment_or_not(
    tmp_path: Path, root: Path, environ: dict[str, str]
) -> None:
    make_environment(root / "envs/torch")
    make_environment(tmp_path / "d2/torch")
    (tmp_path / "d1").mkdir()
    (tmp_path / "d1/torch").touch()
    environ["CONDA_ENVS_DIRS"] = f"{tmp_path}/gone:{tmp_path}/d1:{tmp_path}/d2"
    assert find_base("torch", environ).prefix == str(tmp_path / "d2/torch")
    (tmp_path / "d1/torch").unlink()
    (tmp_path / "d1/torch").mkdir()
    assert find_base("torch", environ).prefix == str(tmp_path / "d1/torch")


def test_envs_dirs_of_the_users_condarc(tmp_path: Path, root: Path, environ: dict[str, str]) -> None:
    make_environment(root / "envs/torch")
    mine = make_environment(tmp_path / "home/rc/envs/torch")
    (tmp_path / "home/.condarc").write_text("envs_dirs:\n  - ~/rc/envs\nchangeps1: false\nauto_activate_base: false\n")
    assert find_base("torch", environ).prefix == str(mine)


def test_a_symlink_is_kept(tmp_path: Path, root: Path, environ: dict[str, str]) -> None:
    (root / "envs").mkdir()
    (root / "envs/torch").symlink_to(make_environment(tmp_path / "disk/torch"))
    assert find_base("torch", environ).prefix == str(root / "envs/torch")


def test_an_environment_of_the_home_needs_no_install(tmp_path: Path, bare: dict[str, str]) -> None:
    prefix = make_environment(tmp_path / "home/.conda/envs/torch")
    assert find_base("torch", bare).prefix == str(prefix)


def test_the_cwd_is_not_consulted(tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = make_environment(tmp_path / "elsewhere/torch")
    monkeypatch.chdir(prefix.parent)
    assert error_of("torch", environ).problem.startswith("conda environment torch: not found in ")


def test_the_only_environment_of_that_name_that_conda_lists(
    tmp_path: Path, root: Path, environ: dict[str, str]
) -> None:
    one, two = (make_environment(tmp_path / name / "torch") for name in ("one", "two"))
    register(tmp_path, f"{one}\n{tmp_path}/gone/torch\n{one}")
    assert find_base("torch", environ).prefix == str(one)
    make_environment(root / "envs" / "torch")
    assert find_base("torch", environ).prefix == str(root / "envs" / "torch")
    (root / "envs" / "torch" / "conda-meta" / "history").unlink()
    (root / "envs" / "torch" / "conda-meta").rmdir()
    (root / "envs" / "torch").rmdir()
    register(tmp_path, f"{one}\n{two}")
    assert error_of("torch", environ).mend.splitlines()[0] == f"did you mean {one} or {two}?"


# Not found


def test_not_found_says_where_it_looked_and_what_is_close(tmp_path: Path, root: Path, environ: dict[str, str]) -> None:
    for name in ("torch", "Torch2", "docs"):
        make_environment(root / "envs" / name)
    (root / "envs/torches").mkdir()
    (root / "envs/.conda_envs_dir_test").touch()
    error = error_of("torhc", environ)
    assert error.problem == f"conda environment torhc: not found in {root}/envs, {tmp_path}/home/.conda/envs"
    assert error.mend.splitlines() == [
        f"did you mean torch ({root}/envs/torch) or Torch2 ({root}/envs/Torch2)?",
        "  `conda env list` shows the environments",
    ]


def test_not_found_and_nothing_close(environ: dict[str, str]) -> None:
    assert error_of("torch", environ).mend == "`conda env list` shows the environments"


def test_not_found_without_an_install(tmp_path: Path, bare: dict[str, str]) -> None:
    error = error_of("torch", bare)
    assert error.problem == f"conda environment torch: not found in {tmp_path}/home/.conda/envs"
    assert error.mend.splitlines()[0] == f"no conda install found: {NO_INSTALL_MEND}"


def test_base_without_an_install(bare: dict[str, str]) -> None:
    assert str(error_of("base", bare)) == f"conda environment base: no conda install found\n  {NO_INSTALL_MEND}"


# What is known


def register(tmp_path: Path, *lines: str) -> None:
    (tmp_path / "home/.conda").mkdir(parents=True, exist_ok=True)
    (tmp_path / "home/.conda/environments.txt").write_bytes("\n".join(lines).encode() + b"\n\xff\n")


def test_existing_environments(tmp_path: Path, root: Path, environ: dict[str, str]) -> None:
    shared = make_environment(root / "envs/torch")
    docs = make_environment(root / "envs/docs")
    hidden = make_environment(tmp_path / "home/.conda/envs/torch")
    removed = tmp_path / "removed"
    register(tmp_path, str(root), str(shared), str(hidden), "", str(removed))
    assert list(existing_environments(read_settings(environ), environ)) == [
        ("base", str(root)),
        ("docs", str(docs)),
        ("torch", str(shared)),
        (str(hidden), str(hidden)),
    ]


def test_nothing_is_known(bare: dict[str, str]) -> None:
    assert list(existing_environments(read_settings(bare), bare)) == []


# A prefix


def test_a_healthy_prefix(root: Path) -> None:
    add_python(root)
    check_prefix(str(root))


@pytest.mark.parametrize(
    ("made", "problem", "mend"),
    [
        ([], "no such directory", "correct base_conda_env; `conda env list` shows the environments"),
        (
            ["conda-meta/"],
            "not a conda environment: it has no conda-meta/history",
            "correct base_conda_env; `conda env list` shows the environments",
        ),
        (
            ["conda-meta/", "conda-meta/history", "bin/"],
            "the conda environment has no bin/python",
            "conda install -p '{}' python",
        ),
    ],
)
def test_what_is_wrong_with_a_prefix(tmp_path: Path, made: list[str], problem: str, mend: str) -> None:
    prefix = tmp_path / "my env"
    for name in made:
        (prefix / name).mkdir(parents=True) if name.endswith("/") else (prefix / name).touch()
    with pytest.raises(DevpyError) as caught:
        check_prefix(str(prefix))
    assert caught.value.problem == f"{prefix}: {problem}"
    assert caught.value.mend == mend.format(prefix)


def test_a_python_that_links_nowhere_is_none(root: Path) -> None:
    add_python(root)
    (root / "bin/python3.11").unlink()
    with pytest.raises(DevpyError, match="has no bin/python"):
        check_prefix(str(root))


@pytest.mark.parametrize(
    ("records", "version"),
    [
        (["python-3.11.7-hab00c5b_0_cpython.json"], "3.11.7"),
        (["python-3.13.0rc2-h9ebbce0_0_cp313.json", "pip-24.0-pyh_0.json"], "3.13.0rc2"),
        (["python-dateutil-2.8.2-pyhd8ed1ab_0.json", "python_abi-3.9-4_cp39.json"], "3.11"),
        (["python-3.11.7-hab00c5b_0_cpython.json.c~", "history"], "3.11"),
    ],
)
def test_python_version(root: Path, records: list[str], version: str) -> None:
    add_python(root)
    for record in records:
        (root / "conda-meta" / record).touch()
    assert python_version(str(root)) == version


@pytest.mark.parametrize("name", ["python3.13t", "python3.13d", "python3.13td"])
def test_python_version_of_a_free_threaded_or_debug_build(root: Path, name: str) -> None:
    add_python(root, name)
    assert python_version(str(root)) == "3.13"


@pytest.mark.parametrize("name", ["python3", "pypy3.10", "python3.x"])
def test_python_version_that_nothing_tells(root: Path, name: str) -> None:
    add_python(root, name)
    assert python_version(str(root)) is None


def test_python_version_without_a_prefix(tmp_path: Path) -> None:
    assert python_version(str(tmp_path / "gone")) is None
