from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from devpy_pip_guard.errors import DevpyError
from devpy_runner import shell_activation
from devpy_runner.shell_activation import activated_environ, code

ODD = [
    "",
    " a  b ",
    "it's",
    "''",
    '"',
    "\\",
    "\\'",
    "a\nb\n",
    "\n",
    "$HOME `x` $(x)",
    "!x",
    "~:~/a",
    "é 日本",
    "\udcff\udc80",
    "{}",
    "%s",
]
CALLER = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}

# What virtualenv's part has defined when the code is evaluated.
POSIX = """\
deactivate () {
    unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT
    [ "${1-}" = nondestructive ] || unset -f deactivate
}
eval "$(cat code)"
"""
FISH = """\
function deactivate
    set -e VIRTUAL_ENV VIRTUAL_ENV_PROMPT
    test "$argv[1]" = nondestructive; or functions -e deactivate
end
source code
"""

Variables = dict[str, str]


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"no {name} on this machine")
    return name


def snapshots(shell: str, folder: Path, caller: Variables, activated: Variables, *lines: str) -> list[Variables]:
    """Evaluate the code in a shell, run the lines, and return what each `snapshot` among them sees."""
    fish = shell == "fish"
    (folder / "code").write_bytes(os.fsencode(code("fish" if fish else "posix", caller, activated)))
    taking = "env -0; printf 'end\\0'"
    script = "\n".join(taking if line == "snapshot" else line for line in lines)
    (folder / "script").write_text((FISH if fish else POSIX) + script + "\n", encoding="utf-8")
    program = shutil.which(shell)
    assert program is not None
    command = [program, *(["-feu"] if shell == "zsh" else ["-eu"] if shell == "bash" else []), "script"]
    environ = {**caller, "HOME": str(folder)}
    completed = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False)
    assert (completed.returncode, completed.stderr) == (0, b"")
    return [parse(part) for part in completed.stdout.split(b"end\0")[:-1]]


def parse(output: bytes) -> Variables:
    pairs = (entry.partition(b"=")[::2] for entry in output.split(b"\0") if entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, value in pairs}


@pytest.mark.parametrize("value", ODD)
def test_values_arrive_and_go_back_unharmed(shell: str, tmp_path: Path, value: str) -> None:
    caller = {**CALLER, "OLD": value, "BOTH": f"{value}1", "SAME": value}
    activated = {**CALLER, "NEW": value, "BOTH": f"2{value}", "SAME": value}
    active, inactive = snapshots(shell, tmp_path, caller, activated, "snapshot", "deactivate", "snapshot")
    names = ("OLD", "NEW", "BOTH", "SAME")
    assert {name: active[name] for name in names if name in active} == {name: activated[name] for name in names[1:]}
    assert {name: inactive[name] for name in names if name in inactive} == {
        name: caller[name] for name in names if name != "NEW"
    }


def test_what_virtualenv_has_set_is_set_right(shell: str, tmp_path: Path) -> None:
    """Even where the activated environment does not differ from the caller's."""
    again = "set -gx PATH /again $PATH" if shell == "fish" else "PATH=/again:$PATH"
    environ = {**CALLER, "VIRTUAL_ENV": "/venv", "VIRTUAL_ENV_PROMPT": "prompt"}
    # Evaluate the code once more, after what virtualenv does to PATH.
    evaluate = (FISH if shell == "fish" else POSIX).strip()
    active, inactive = snapshots(
        shell, tmp_path, environ, environ, again, evaluate, "snapshot", "deactivate", "snapshot"
    )
    assert (active["PATH"], active["VIRTUAL_ENV"]) == (environ["PATH"], "/venv")
    assert {name: inactive.get(name) for name in environ} == environ


def test_deactivation_takes_back_what_has_been_changed_meanwhile(shell: str, tmp_path: Path) -> None:
    change = "set -gx A 3; set -gx B 3; set -gx C 3" if shell == "fish" else "export A=3 B=3 C=3"
    caller, activated = {**CALLER, "A": "1"}, {**CALLER, "A": "2", "B": "2"}
    (inactive,) = snapshots(shell, tmp_path, caller, activated, change, "deactivate", "snapshot")
    assert (inactive["A"], inactive.get("B"), inactive["C"]) == ("1", None, "3")


def test_deactivate_leaves_no_function_behind(shell: str, tmp_path: Path) -> None:
    fish = shell == "fish"
    search = "if functions -a | grep devpy; exit 1; end" if fish else "if typeset -f | grep devpy; then exit 1; fi"
    snapshots(shell, tmp_path, CALLER, CALLER, "deactivate nondestructive", "deactivate", search)


@pytest.mark.parametrize("kind", ["posix", "fish"])
def test_variables_of_the_shell_are_left_alone(kind: str) -> None:
    names = ("PWD", "SHLVL", "_", "PS1", "SHELLOPTS", "UID", "VIRTUAL_ENV_PROMPT", "BASH_FUNC_f%%", "a.b")
    text = code(kind, {}, {**dict.fromkeys(names, "marked"), "A": "set"})
    assert "set" in text
    assert "marked" not in text


def test_overlay_of_no_worktree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DevpyError, match="not the overlay of this worktree"):
        activated_environ(str(tmp_path / ".venv"), CALLER)


def test_problem_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["-c", "posix", str(tmp_path / ".venv" / "bin" / "activate")])
    assert shell_activation.main() == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"devpy: {tmp_path}/.venv: not the overlay of this worktree\n  cd into")
