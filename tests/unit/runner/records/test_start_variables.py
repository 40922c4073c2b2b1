"""Finding out what activation does to each variable, and noticing when that may have changed."""

from __future__ import annotations

import json
import os
import select
import time
from pathlib import Path

import pytest

from devpy_pip_guard import CALLERS, START_VARIABLES, read_start_variables
from devpy_pip_guard.config import Config, load
from devpy_pip_guard.errors import DevpyError
from devpy_runner.base import condarc, installations
from devpy_runner.records import start_variables
from devpy_runner.records.start_variables import CURRENT, NONE, OUT_OF_DATE

Rules = dict[str, tuple[str, str]]


class Overlay:
    """An overlay as far as the record goes, on a base with activation scripts."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.base = folder / "envs" / "base"
        self.home = folder / "home"
        self.environ = {"HOME": str(self.home), "PRIVATE": "of the caller", "PATH": "/of/the/caller"}
        for path in (self.venv, self.scripts, self.home, self.base / "conda-meta", self.base / "etc/conda/env_vars.d"):
            path.mkdir(parents=True)
        self.declare()

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def scripts(self) -> Path:
        return self.base / "etc" / "conda" / "activate.d"

    @property
    def config(self) -> Config:
        return load(str(self.root / "devpy.toml"))

    @property
    def state(self) -> str:
        return start_variables.examine(self.config, str(self.base), self.environ)[0]

    def declare(self, env: str = "") -> None:
        text = f'[python]\nbase_conda_env = "base"\n[env]\n{env}\n'
        (self.root / "devpy.toml").write_text(text, encoding="utf-8")

    def script(self, text: str, name: str = "script.sh") -> None:
        (self.scripts / name).write_text(text, encoding="utf-8")

    def refresh(self) -> Rules:
        """Return value and template of each variable."""
        start_variables.refresh(self.config, str(self.base), self.environ)
        venv, base, _, rules = read_start_variables(str(self.venv))
        assert (venv, base) == (str(self.venv), str(self.base))
        return {name: (value, template) for name, value, template in rules}

    def is_rewritten(self) -> bool:
        inode = os.stat(self.venv / START_VARIABLES).st_ino
        self.refresh()
        return os.stat(self.venv / START_VARIABLES).st_ino != inode


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Overlay:
    monkeypatch.setattr(condarc, "_SYSTEM_FOLDERS", ())
    monkeypatch.setattr(installations, "_USUAL_ROOTS", ("~/miniforge3",))
    return Overlay(Path(os.path.realpath(tmp_path)))


def test_without_scripts(overlay: Overlay) -> None:
    path = f"{overlay.venv}/bin:{overlay.base}/bin"
    assert overlay.refresh() == {
        "CONDA_PREFIX": (str(overlay.base), ""),
        "CONDA_DEFAULT_ENV": ("base", ""),
        "CONDA_PROMPT_MODIFIER": ("(base) ", ""),
        "CONDA_SHLVL": ("1", ""),
        "PATH": (f"{path}:{os.defpath}", f"{path}:{CALLERS}"),
        "VIRTUAL_ENV": (str(overlay.venv), ""),
        "PYTHONNOUSERSITE": ("1", ""),
        "PIP_REQUIRE_VIRTUALENV": ("1", ""),
        "UV_SYSTEM_PYTHON": ("0", ""),
    }


@pytest.mark.parametrize(
    ("script", "value", "template"),
    [
        ("export X=1", "1", ""),
        ("export X=${X:-1}", "1", CALLERS),
        ("export X=1${X:+:$X}", "1", f"1:{CALLERS}"),
        ("export X=${X:+$X:}1", "1", f"{CALLERS}:1"),
        ("export Y=${Y:-1} XX=${XX:-2}; export X=$Y", "1", ""),
        ("export XX=${XX:-2} X=${X:-1}", "1", CALLERS),
        ("export X=a${X}b", "ab", f"a{CALLERS}b"),
        ("[ -n \"$X\" ] && export X=2 || export X='1\n1'", "1\n1", ""),
        ('export X="$(basename "$CONDA_PREFIX")"', "base", ""),
        ("export X=1; cat; echo out; echo err >&2; false", "1", ""),
    ],
)
def test_rules(overlay: Overlay, script: str, value: str, template: str, capfd: pytest.CaptureFixture[str]) -> None:
    overlay.script(script + "\n")
    assert overlay.refresh()["X"] == (value, template)
    assert capfd.readouterr() == ("", "")


def test_both_sides_of_path(overlay: Overlay) -> None:
    overlay.script('export PATH="/front:$PATH:/rear"\n')
    front = f"{overlay.venv}/bin:/front:{overlay.base}/bin"
    assert overlay.refresh()["PATH"] == (f"{front}:{os.defpath}:/rear", f"{front}:{CALLERS}:/rear")


def test_path_that_a_script_rewrites(overlay: Overlay) -> None:
    overlay.script("export PATH=/rewritten\n")
    front = f"{overlay.venv}/bin:/rewritten"
    assert overlay.refresh()["PATH"] == (front, f"{front}:{CALLERS}")


def test_declared_variables_come_last(overlay: Overlay) -> None:
    overlay.script("export X=1 Y=${Y:-1}\n")
    (overlay.base / "conda-meta" / "state").write_text(json.dumps({"env_vars": {"Z": "of conda"}}), encoding="utf-8")
    overlay.declare('X = "{root}"\nHOME = "{venv}"\nPATH = "/only"')
    rules = overlay.refresh()
    assert rules["X"] == (str(overlay.root), "")
    assert rules["HOME"] == (str(overlay.venv), "")
    assert rules["PATH"] == ("/only", "")
    assert rules["Y"] == ("1", CALLERS)
    assert rules["Z"] == ("of conda", "")


def test_nothing_of_the_caller_gets_in(overlay: Overlay) -> None:
    overlay.script("export X=${PRIVATE:-none} WHERE=$HOME\n")
    rules = overlay.refresh()
    assert rules["X"][0] == "none"
    assert rules["WHERE"][0] == overlay.environ["HOME"]  # which is any caller's
    assert not {"PRIVATE", "HOME", "PWD", "SHLVL", "_"} & set(rules)


@pytest.mark.parametrize("end", ["exit 0", "exit 1", "kill -9 $$"])
def test_a_script_that_ends_the_shell(overlay: Overlay, end: str, capfd: pytest.CaptureFixture[str]) -> None:
    overlay.script(f"export X=1\n{end}\n")
    rules = overlay.refresh()
    assert "X" not in rules
    assert rules["CONDA_PREFIX"] == (str(overlay.base), "")
    assert rules["PATH"][1] == f"{overlay.venv}/bin:{overlay.base}/bin:{CALLERS}"
    assert capfd.readouterr() == ("", "")
    assert not overlay.is_rewritten()


def test_a_script_that_takes_too_long(overlay: Overlay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_variables, "_PATIENCE_SECONDS", 0.2)
    fifo = overlay.root / "fifo"
    os.mkfifo(fifo)
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    overlay.script(f"exec 9> {fifo}; echo started >&9; sleep 1000; true\n")
    assert overlay.refresh()["CONDA_PREFIX"] == (str(overlay.base), "")
    assert os.read(descriptor, 99) == b"started\n"
    assert select.select([descriptor], [], [], 30)[0]  # the end, now that all that it started has ended as well
    os.close(descriptor)


def test_a_script_that_leaves_something_running(overlay: Overlay) -> None:
    groups = overlay.root / "groups"
    overlay.script(f"echo $$ >> {groups}; (sleep 1000; true) &\nexport X=1\n")
    rules = overlay.refresh()
    for group in groups.read_text("utf-8").split():
        os.killpg(int(group), 9)
    assert rules["X"] == ("1", "")


def test_it_stays_while_nothing_changes(overlay: Overlay) -> None:
    assert overlay.state == NONE
    overlay.script("export X=1\n")
    overlay.refresh()
    assert overlay.state == CURRENT
    overlay.environ.update(PATH="/other", PRIVATE="another")
    assert not overlay.is_rewritten()


@pytest.mark.parametrize("change", ["edited", "added", "removed", "env_vars", "state", "declared"])
def test_it_is_rewritten_after_a_change(overlay: Overlay, change: str) -> None:
    overlay.script("export X=1\n")
    overlay.script("export Y=1\n", "other.sh")
    overlay.refresh()
    time.sleep(0.02)  # longer than the clock of any file system ticks
    if change == "edited":
        overlay.script("export X=2\n")
    elif change == "added":
        overlay.script("export Z=1\n", "new.sh")
    elif change == "removed":
        (overlay.scripts / "other.sh").unlink()
    elif change == "env_vars":
        (overlay.base / "etc/conda/env_vars.d/a.json").write_text('{"A": "1"}', encoding="utf-8")
    elif change == "state":
        (overlay.base / "conda-meta" / "state").write_text('{"env_vars": {"A": "1"}}', encoding="utf-8")
    else:
        overlay.declare('A = "1"')
    assert overlay.state == OUT_OF_DATE
    assert overlay.is_rewritten()
    assert overlay.state == CURRENT


def test_it_is_rewritten_for_other_settings_of_conda(overlay: Overlay) -> None:
    overlay.refresh()
    (overlay.home / ".condarc").write_text("changeps1: false\n", encoding="utf-8")
    assert overlay.state == OUT_OF_DATE
    assert overlay.is_rewritten()
    assert overlay.refresh()["CONDA_PROMPT_MODIFIER"][0] == ""
    (overlay.home / ".condarc").write_text("changeps1: false\nenvs_dirs: [/elsewhere]\n", encoding="utf-8")
    assert not overlay.is_rewritten()


def test_it_stays_for_a_caller_with_other_settings_of_conda(overlay: Overlay) -> None:
    rules = overlay.refresh()
    (overlay.home / "other.yml").write_text("changeps1: false\n", encoding="utf-8")
    settings = {"CONDA_CHANGEPS1": "false", "CONDA_EXE": "/bin/sh", "_CONDA_ROOT": str(overlay.home), "LANG": "C"}
    for name, value in {**settings, "CONDARC": str(overlay.home / "other.yml")}.items():
        overlay.environ[name] = value
        assert overlay.state == CURRENT
        assert not overlay.is_rewritten()
    (overlay.venv / START_VARIABLES).unlink()
    assert overlay.refresh() == rules


def test_the_conda_that_the_base_belongs_to(overlay: Overlay) -> None:
    root = overlay.base.parent.parent
    conda = root / "bin" / "conda"
    conda.parent.mkdir()
    conda.write_text(f"#!{root}/bin/python\n", encoding="utf-8")
    (root / ".condarc").write_text("env_prompt: '<{name}>'\n", encoding="utf-8")
    rules = overlay.refresh()
    assert rules["CONDA_EXE"] == (str(conda), "")
    assert rules["CONDA_PROMPT_MODIFIER"] == ("<base>", "")
    assert f"{root}/condabin" in rules["PATH"][0].split(":")


def test_what_activation_reads_is_broken(overlay: Overlay) -> None:
    overlay.refresh()
    (overlay.base / "conda-meta" / "state").write_text("{", encoding="utf-8")
    assert overlay.state == OUT_OF_DATE
    with pytest.raises(DevpyError, match="not JSON"):
        overlay.refresh()


def test_a_broken_one_is_replaced(overlay: Overlay) -> None:
    overlay.refresh()
    (overlay.venv / START_VARIABLES).write_bytes(b"\xff\0")
    assert overlay.state == OUT_OF_DATE
    overlay.refresh()
    assert overlay.state == CURRENT
    assert [path.name for path in overlay.venv.iterdir()] == [START_VARIABLES]


def test_age(overlay: Overlay) -> None:
    overlay.refresh()
    os.utime(overlay.venv / START_VARIABLES, (0, time.time() - 90))
    _, seconds = start_variables.examine(overlay.config, str(overlay.base), overlay.environ)
    assert seconds is not None
    assert seconds >= 90
    os.utime(overlay.venv / START_VARIABLES, (0, time.time() + 9999))
    assert start_variables.examine(overlay.config, str(overlay.base), overlay.environ)[1] == 0


def test_an_overlay_that_cannot_be_written_to(overlay: Overlay) -> None:
    (overlay.venv / f"{START_VARIABLES}.{os.getpid()}").mkdir()
    assert not start_variables.refresh(overlay.config, str(overlay.base), overlay.environ)
    assert overlay.state == NONE
