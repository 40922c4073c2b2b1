"""Install conda environments with py-rattler."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rattler import Gateway, install, solve

from . import interpreters

if TYPE_CHECKING:
    from rattler import RepoDataRecord

    from .channel import Channel

DEFAULT_PACKAGES = ("pip", "setuptools", "wheel", "pytest")


class CondaEnvironment(NamedTuple):
    """An installed environment."""

    prefix: Path
    """Absolute."""
    specs: tuple[str, ...]
    """What was asked for, as conda specs."""

    @property
    def name(self) -> str:
        return self.prefix.name

    @property
    def python(self) -> Path:
        return self.prefix / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return next(self.prefix.glob("lib/python3.*/site-packages"))


class MakeCondaEnv:
    """Makes environments in the `envs` folder of a root prefix, each once.

    :param root: the absolute root prefix
    :param on_made: called with the prefix of each new environment that tests share, which a clone is not
    """

    def __init__(self, root: Path, channel: Channel, on_made: Callable[[Path], None]) -> None:
        self._root = root
        self._channel = channel
        self._on_made = on_made
        self._made: dict[str, tuple[tuple[str, ...], CondaEnvironment]] = {}

    def __call__(
        self, name: str, python: str | None = None, packages: Sequence[str] = DEFAULT_PACKAGES
    ) -> CondaEnvironment:
        """Return the environment, which other tests get too: change nothing in it.

        :param python: such as `3.8`; the test is skipped if this machine lacks it. By default the nearest to 3.11
        :param packages: PEP 508 requirements (`pip==24.0`), and names of packages that the channel has been given
        """
        minor = python or interpreters.default()
        wanted = (minor, *packages)
        if name not in self._made:
            specs = [self._channel.add_python(minor), *self._channel.add_distributions(minor, packages)]
            self._made[name] = wanted, create(self._root / "envs" / name, self._channel, specs)
            self._on_made(self._root / "envs" / name)
        asked_for, environment = self._made[name]
        assert asked_for == wanted, f"environment {name} was made of {asked_for}, not of {wanted}"
        return environment

    def clone(self, environment: CondaEnvironment, name: str) -> CondaEnvironment:
        """Make another environment like the given one, for one test to change at will.

        :param name: a name that no other environment has
        """
        return create(self._root / "envs" / name, self._channel, environment.specs)


def create(prefix: Path, channel: Channel, specs: Sequence[str]) -> CondaEnvironment:
    """Solve the specs and install what they need.

    :param prefix: the absolute folder of the environment, not there yet
    """
    assert not prefix.exists(), f"{prefix} is there already"
    channel.index()
    asyncio.run(_solve_and_install(prefix, channel, specs))
    return CondaEnvironment(prefix, tuple(specs))


async def _solve_and_install(prefix: Path, channel: Channel, specs: Sequence[str]) -> None:
    # Installed files are hard links into the package cache. A cache of its own for each environment keeps a test
    # that edits a file in place from editing it in every environment.
    with tempfile.TemporaryDirectory(dir=channel.folder.parent) as cache:
        records = await solve([channel.url], list(specs), gateway=Gateway(Path(cache, "repodata")))
        await install(records, prefix, cache_dir=Path(cache, "packages"), show_progress=False)
    write_history(prefix, records, specs)


def write_history(prefix: Path, records: Sequence[RepoDataRecord] = (), specs: Sequence[str] = ()) -> None:
    """Write conda-meta/history, by which conda tells an environment from any other folder.

    Rattler leaves it empty; conda lists there what each of its commands added.
    """
    lines = [
        time.strftime("==> %Y-%m-%d %H:%M:%S <=="),
        *(f"+{record.channel.rstrip('/')}/{record.subdir}::{record.file_name}" for record in records),
        f"# update specs: {list(specs)}",
    ]
    history = prefix / "conda-meta" / "history"
    history.parent.mkdir(parents=True, exist_ok=True)
    history.write_text("\n".join(lines) + "\n", encoding="utf-8")
