from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from .channel import Channel
from .commands import Devpy, clean_environ
from .environments import CondaEnvironment, MakeCondaEnv, write_history
from .mounts import Mounts, namespace
from .projects import MakeRepository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

HERE = Path(__file__).parent
Listing = set[tuple[Path, int, int]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(autouse=True)
def leaves_process_unchanged() -> Iterator[None]:
    """Fail a test after which the working directory or an environment variable is another one."""
    folder, variables = os.getcwd(), _variables()
    yield
    assert os.getcwd() == folder
    changed = {name for name, _ in variables ^ _variables()}  # names alone: a value may be a secret
    assert not changed


def _variables() -> set[tuple[str, str]]:
    return {(name, value) for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture(scope="session")
def pip_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pip-cache")


@pytest.fixture(scope="session")
def conda_channel(tmp_path_factory: pytest.TempPathFactory, pip_cache: Path) -> Channel:
    """A channel that holds `activation-scripts`; Pythons and distributions are added as environments need them."""
    environ = clean_environ(tmp_path_factory.mktemp("home"), pip_cache)
    channel = Channel(tmp_path_factory.mktemp("conda") / "channel", environ)
    channel.add_activation_scripts()
    return channel


@pytest.fixture(scope="session")
def conda_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root prefix, with an `envs` folder and no Python of its own."""
    root = tmp_path_factory.mktemp("conda-root")
    write_history(root)
    (root / "envs").mkdir()
    return root


@pytest.fixture(scope="session")
def make_conda_env(conda_root: Path, conda_channel: Channel) -> Iterator[MakeCondaEnv]:
    """Make environments; in none of them but the clones may any test have changed anything."""
    before: dict[Path, Listing] = {}
    yield MakeCondaEnv(conda_root, conda_channel, on_made=lambda prefix: before.update({prefix: _listing(prefix)}))
    changed = [f"{prefix}/{path}" for prefix, listing in before.items() for path in _changes(prefix, listing)]
    assert not changed, "a test has changed " + " ".join(changed)


@pytest.fixture(scope="session")
def conda_env(make_conda_env: MakeCondaEnv) -> CondaEnvironment:
    """The environment `shared`: Python 3.11 or the nearest there is, pip, setuptools, wheel and pytest."""
    return make_conda_env("shared")


@pytest.fixture(scope="module")
def devpy_environ(tmp_path_factory: pytest.TempPathFactory, pip_cache: Path, conda_root: Path) -> dict[str, str]:
    """A clean environment, with a home for the tests of a file, where the names of the test environments are found."""
    return {
        **clean_environ(tmp_path_factory.mktemp("home"), pip_cache),
        "CONDA_ENVS_DIRS": str(conda_root / "envs"),
        "MAMBA_ROOT_PREFIX": str(conda_root),
    }


@pytest.fixture
def devpy(devpy_environ: dict[str, str]) -> Devpy:
    return Devpy(devpy_environ)


@pytest.fixture
def repository(devpy_environ: dict[str, str]) -> MakeRepository:
    return MakeRepository(devpy_environ)


@pytest.fixture
def worktree(repository: MakeRepository) -> Callable[[Path, str], Path]:
    return repository.worktree


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    with namespace() as made:
        if made is None:
            pytest.skip("this user can make no mount namespace here")
        yield made


@pytest.fixture
def base_unchanged() -> Callable[[Path], AbstractContextManager[None]]:
    """A context in which no file of a prefix may be added, removed or written to, bytecode caches apart."""
    return _unchanged


@contextlib.contextmanager
def _unchanged(prefix: Path) -> Iterator[None]:
    before = _listing(prefix)
    yield
    assert _changes(prefix, before) == []


def _changes(prefix: Path, before: Listing) -> list[str]:
    """Return the files of a prefix that are not as they were listed, bytecode caches apart."""
    changed = {path for path, _, _ in before ^ _listing(prefix)}
    return sorted(str(path) for path in changed if "__pycache__" not in path.parts)


def _listing(prefix: Path) -> Listing:
    """Return path, size in bytes and modification time in nanoseconds of everything but folders."""
    found = set()
    for path in prefix.rglob("*"):
        status = path.lstat()
        if not path.is_dir() or path.is_symlink():
            found.add((path.relative_to(prefix), status.st_size, status.st_mtime_ns))
    return found
