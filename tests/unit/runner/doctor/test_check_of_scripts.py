"""Which console scripts `devpy doctor` finds to run on another Python than the overlay's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devpy_pip_guard.config import load
from devpy_runner.doctor.checks import scripts
from devpy_runner.doctor.interpreter import State
from devpy_runner.doctor.setup import WorktreeSetup
from devpy_runner.overlay.state import CURRENT, Overlay
from devpy_runner.plugin import FAILED, OK, Verdict
from devpy_virtualenv_plugin.record import Record

SITE_PACKAGES = Path("lib", "python3.11", "site-packages")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "base"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another environment, with a Python."""
    return tmp_path / "other"


@pytest.fixture
def setup(tmp_path: Path, base: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> WorktreeSetup:
    """A worktree whose overlay and base hold no distributions yet."""
    root = tmp_path / "main"
    for prefix in (root / ".venv", base, other):
        (prefix / SITE_PACKAGES).mkdir(parents=True)
        program(prefix / "bin" / "python", "#!/bin/sh\n")
    (root / "devpy.toml").write_text(f'[python]\nbase_conda_env = "{base}"\n')
    setup = WorktreeSetup(str(root), {})
    record = Record("1", True, True, str(root / ".venv"), "", "", str(base), "", "python3.11", {}, False, "")
    on_path = os.pathsep.join(str(prefix / "bin") for prefix in (root / ".venv", base, other))
    setup.__dict__["config"] = load(str(root / "devpy.toml"))
    setup.__dict__["overlay"] = Overlay(CURRENT, [], False, record)
    setup.__dict__["_asked_state"] = State({"PATH": on_path}, [], [])
    monkeypatch.setattr(WorktreeSetup, "python", f"{root}/.venv/bin/python")
    return setup


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def distribution(prefix: Path, name: str, *, installer: str = "pip") -> None:
    """Install one whose console script has its name."""
    info = prefix / SITE_PACKAGES / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {name}\n")
    (info / "INSTALLER").write_text(f"{installer}\n")
    (info / "entry_points.txt").write_text(f"[console_scripts]\n{name} = {name}:main\n")


def well(setup: WorktreeSetup) -> list[Verdict]:
    return [Verdict("scripts", OK, f"all console scripts run on {setup.config.venv}/bin/python")]


def test_script_in_the_overlay(setup: WorktreeSetup, base: Path) -> None:
    distribution(base, "tool")
    for prefix in (Path(setup.config.venv), base):
        program(prefix / "bin" / "tool", f"#!{prefix}/bin/python\n")
    assert list(scripts.devpy_check(setup)) == well(setup)


@pytest.mark.parametrize(
    "header",
    [
        "#!{python}\n",
        "#!/usr/bin/env {python}\n",
        "#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n",
        '#!/bin/sh\n\'\'\'exec\' "{python}" "$0" "$@"\n',
    ],
)
@pytest.mark.parametrize(
    ("installer", "mend"),
    [
        ("pip", "{base}/bin/python -m pip install --force-reinstall --no-deps tool"),
        ("conda", "conda install -p {base} --force-reinstall tool"),
    ],
)
def test_script_of_the_base_that_runs_on_another_python(
    setup: WorktreeSetup, base: Path, other: Path, header: str, installer: str, mend: str
) -> None:
    """As in a base that is a copy of another one."""
    distribution(base, "tool", installer=installer)
    script = program(base / "bin" / "tool", header.format(python=other / "bin" / "python3.11"))
    text = f"devpy tool would run {script} on {other}/bin/python3.11, not on the overlay's Python"
    assert list(scripts.devpy_check(setup)) == [Verdict("scripts", FAILED, text, mend.format(base=base))]


def test_script_of_another_python_whose_path_holds_a_space(setup: WorktreeSetup, base: Path, tmp_path: Path) -> None:
    distribution(base, "tool")
    python = tmp_path / "sp ace" / "bin" / "python"
    script = program(base / "bin" / "tool", f"#!/bin/sh\n'''exec' '{python}' \"$0\" \"$@\"\n' '''\n")
    (verdict,) = scripts.devpy_check(setup)
    assert verdict.text == f"devpy tool would run {script} on {python}, not on the overlay's Python"


def test_script_of_the_overlay_that_is_gone(setup: WorktreeSetup, other: Path) -> None:
    distribution(Path(setup.config.venv), "mine")
    script = program(other / "bin" / "mine", f"#!{other}/bin/python\n")
    text = f"devpy mine would run {script} on {other}/bin/python, not on the overlay's Python"
    assert list(scripts.devpy_check(setup)) == [Verdict("scripts", FAILED, text, "devpy update-editables --reinstall")]


def test_programs_that_are_no_concern_of_the_overlay(setup: WorktreeSetup, base: Path, other: Path) -> None:
    """Native ones, conda itself, what somebody has put there by hand, and what only another environment has."""
    for name in ("ninja", "conda", "lost"):
        distribution(base, name)
    program(base / "bin" / "ninja", "\x7fELF python")
    for script in (base / "bin" / "conda", base / "bin" / "by-hand", other / "bin" / "lost"):
        program(script, f"#!{other}/bin/python\n")
    assert list(scripts.devpy_check(setup)) == well(setup)
