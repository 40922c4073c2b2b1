from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from virtualenv import cli_run

from devpy_runner.activate import scripts as activate_scripts
from devpy_runner.activate.scripts import extend, not_extended
from devpy_runner.commands import demo_base

SHELLS = {"bash": "activate", "zsh": "activate", "fish": "activate.fish"}
VIRTUALENVS = {
    "activate": 'FROM="virtualenv"; export FROM\n',
    "activate.fish": 'set -gx FROM "virtualenv"\n',
    "activate.csh": "setenv FROM virtualenv\n",
}
# In the place of devpy's Python: prints code that tells how it was called. It runs in each of the shells.
PYTHON = """#!/bin/sh
echo "echo $FROM; echo '$1 $2'; echo '$4'; echo '$5';"
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in VIRTUALENVS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "it's a $HOME \\ of Python é"
    program.write_text(PYTHON, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return program


def source(shell: str, script: Path, then: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} on this machine")
    options = {"zsh": ["-f"], "fish": []}.get(shell, ["-eu"])
    command = [program, *options, "-c", f". bin/{script.name}; {then}"]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(script.parent), "LANG": "C.UTF-8", "FROM": "caller"}
    return subprocess.run(
        command, cwd=script.parent.parent, env=environ, capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.usefixtures("python")
@pytest.mark.parametrize("shell", SHELLS)
def test_devpy_is_asked_before_and_obeyed_after_virtualenvs_part(shell: str, scripts: Path) -> None:
    extend(scripts)
    completed = source(shell, scripts / SHELLS[shell], 'echo "$FROM"')
    kind = "fish" if shell == "fish" else "posix"
    assert completed.stderr == ""
    first, options, kind_given, script, last = completed.stdout.splitlines()
    assert (first, options[:3], kind_given) == ("caller", "-E ", kind)
    assert os.path.basename(script) == SHELLS[shell]
    assert (scripts.parent / script).samefile(scripts / SHELLS[shell])
    assert last == "virtualenv"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("gone", ["python", "module", "success"])
def test_without_devpy_one_warning_and_virtualenvs_part(
    shell: str, gone: str, scripts: Path, python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if gone == "module":
        monkeypatch.setattr(activate_scripts, "_MODULE", str(scripts / "no such module.py"))
    extend(scripts)
    if gone == "python":
        python.unlink()
    if gone == "success":
        python.write_text("#!/bin/sh\necho echo half\nexit 2\n", encoding="utf-8")
    completed = source(shell, scripts / SHELLS[shell], 'echo "$FROM"')
    assert (completed.returncode, completed.stdout) == (0, "virtualenv\n")
    assert completed.stderr.startswith("devpy: warning: the conda environment is not activated")
    assert str(python) in completed.stderr
    assert completed.stderr.count("\n") == 1


@pytest.mark.usefixtures("python")
def test_plain_sh_gets_virtualenvs_part_alone(scripts: Path) -> None:
    extend(scripts)
    completed = source("dash", scripts / "activate", 'echo "$FROM"')
    assert (completed.stdout, completed.stderr) == ("virtualenv\n", "")


@pytest.mark.usefixtures("python")
def test_scripts_of_other_shells_stay_as_they_are(scripts: Path) -> None:
    extend(scripts)
    assert (scripts / "activate.csh").read_text(encoding="utf-8") == VIRTUALENVS["activate.csh"]


def test_only_what_virtualenv_has_written_is_extended(scripts: Path) -> None:
    (scripts / "activate").unlink()
    extend(scripts)
    assert sorted(entry.name for entry in scripts.iterdir()) == ["activate.csh", "activate.fish"]


@pytest.mark.usefixtures("python")
def test_what_is_extended_is_told_and_not_extended_again(scripts: Path) -> None:
    assert not_extended(str(scripts)) == [str(scripts / "activate"), str(scripts / "activate.fish")]
    for _ in range(2):
        extend(scripts)
        assert not_extended(str(scripts)) == []
    assert (scripts / "activate").read_text(encoding="utf-8").count("Made by devpy") == 1
    (scripts / "activate").write_text(VIRTUALENVS["activate"], encoding="utf-8")
    (scripts / "activate.fish").unlink()
    assert not_extended(str(scripts)) == [str(scripts / "activate")]


def test_overlay_made_twice(tmp_path: Path) -> None:
    demo_base.make(str(tmp_path / "base"))
    (tmp_path / "devpy.toml").write_text('[python]\nbase_conda_env = "any"\n', encoding="utf-8")
    environ = {"VIRTUALENV_OVERRIDE_APP_DATA": str(tmp_path / "app-data"), "VIRTUALENV_CONFIG_FILE": "/dev/null"}
    options = ["--creator", "devpy", "--python", str(tmp_path / "base" / "bin" / "python")]
    for activators in ("bash,fish", "fish"):
        arguments = [*options, "--activators", activators, str(tmp_path / ".venv")]
        cli_run(arguments, setup_logging=False, env={**environ, "PATH": ""})
        extend(tmp_path / ".venv" / "bin")
    programs = tmp_path / ".venv" / "bin"
    assert (programs / "activate.fish").read_text(encoding="utf-8").count("Made by devpy") == 1
    assert not (programs / "activate").exists()
