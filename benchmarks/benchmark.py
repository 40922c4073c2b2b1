"""What running a command through devpy costs, as ratios measured side by side in one run.

    python benchmarks/benchmark.py [--rounds N] [--scale]

Run it on a quiet machine, in an environment into which uv or a recent pip has put devpy: the scripts that older ones
write import re, which takes longer than devpy does. It makes a base from the running interpreter and
worktrees on it in a temporary folder. Every round starts each program once; a ratio is the median of all rounds.
uv, an older devpy-runner (`--old PROGRAM`) and conda (CONDA_EXE) are compared where they are at hand.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from devpy_runner.commands import demo_base

DEVPY = str(Path(sys.executable).with_name("devpy"))
SETTLE_SECONDS = 2.5  # devpy trusts what it remembers of files once they are two seconds old

BACKEND = """\
import base64, hashlib, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = {name!r}
    files = {{
        f"{{name}}.pth": {source!r} + "\\n",
        f"{{name}}-1.dist-info/METADATA": f"Metadata-Version: 2.1\\nName: {{name}}\\nVersion: 1\\n",
        f"{{name}}-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    record = f"{{name}}-1.dist-info/RECORD"
    files[record] = "".join(f"{{path}},,\\n" for path in [*files, record])
    wheel = f"{{name}}-1-py3-none-any.whl"
    with zipfile.ZipFile(f"{{wheel_directory}}/{{wheel}}", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel
"""


class Program(NamedTuple):
    """Something to start, and what to compare it with."""

    name: str
    command: Sequence[str]
    cwd: Path
    against: str | None = None
    wanted: str = ""


def main() -> None:
    """Set everything up, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="how often each program is started (default: 40)")
    parser.add_argument(
        "--scale", action="store_true", help="also with 1, 30 and 300 editables, worktrees and packages"
    )
    parser.add_argument("--old", metavar="PROGRAM", help="the devpy command of another version to compare with")
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users have their bytecode cached
    with tempfile.TemporaryDirectory(prefix="devpy-benchmark-") as folder:
        programs = _programs(Path(folder), arguments.old)
        _print_table(programs, _measure(programs, arguments.rounds))
        if arguments.scale:
            for title, counted in _scales(Path(folder) / "scale"):
                print(f"\n`devpy true` with more {title}, against one")
                _print_table(counted, _measure(counted, arguments.rounds))


def _programs(folder: Path, old: str | None) -> list[Program]:
    base = _make_base(folder / "base")
    scripted = _make_base(folder / "scripted")
    script = scripted / "etc" / "conda" / "activate.d" / "variable.sh"
    script.parent.mkdir(parents=True)
    script.write_text('export DEVPY_BENCHMARK="$CONDA_PREFIX"\n', encoding="utf-8")
    plain = _make_tree(folder / "plain", base, 1)
    stack = _make_stack(folder / "stack", base)
    with_script = _make_tree(folder / "with-script", scripted, 1)
    venv = folder / "venv"
    _run([base / "bin" / "python", "-m", "venv", "--system-site-packages", "--without-pip", venv], folder)
    bare, overlay = "python -c pass", ".venv/bin/python -c pass"
    programs = [
        Program(bare, [sys.executable, "-c", "pass"], plain),
        Program("devpy true", [DEVPY, "true"], plain, bare, "1.25"),
        Program("devpy true, stack config", [DEVPY, "true"], stack, bare, "1.4"),
        Program("devpy true, activation script", [DEVPY, "true"], with_script, "devpy true", "+ 4 ms"),
        Program("devpy info", [DEVPY, "info"], plain, bare, "3"),
        Program("venv/bin/python -c pass", [str(venv / "bin" / "python"), "-c", "pass"], plain),
        Program(
            overlay, [str(plain / ".venv" / "bin" / "python"), "-c", "pass"], plain, "venv/bin/python -c pass", "1.05"
        ),
    ]
    return programs + _others(folder, plain, base, old)


def _others(folder: Path, plain: Path, base: Path, old: str | None) -> list[Program]:
    programs = []
    if uv := shutil.which("uv"):
        tree = folder / "uv"
        tree.mkdir()
        (tree / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3"\n')
        _run([uv, "venv", "--quiet", "--python", sys.executable], tree)
        programs += [
            Program("uv run --no-sync true", [uv, "run", "--no-sync", "true"], tree, "devpy true", "1 or more")
        ]
    if old:
        programs.append(Program(f"{old} true", [old, "true"], plain, "devpy true"))
    if conda := os.environ.get("CONDA_EXE"):
        programs.append(Program("conda run true", [conda, "run", "-p", str(base), "true"], plain, "devpy true"))
    return programs


def _scales(folder: Path) -> list[tuple[str, list[Program]]]:
    counts = (1, 30, 300)
    base = _make_base(folder / "base")
    editables = [_make_tree(folder / f"editables-{count}", base, count) for count in counts]
    worktrees = [_make_worktrees(folder / f"worktrees-{count}", base, count) for count in counts]
    packages = [_make_tree(folder / f"packages-{count}", _fill(folder / f"base-{count}", count), 1) for count in counts]
    return [
        ("editables", _counted(counts, editables)),
        ("worktrees", _counted(counts, worktrees)),
        ("packages in the base", _counted(counts, packages)),
    ]


def _counted(counts: Sequence[int], trees: Sequence[Path]) -> list[Program]:
    return [
        Program(str(count), [DEVPY, "true"], tree, None if count == 1 else "1") for count, tree in zip(counts, trees)
    ]


def _make_base(prefix: Path) -> Path:
    demo_base.make(str(prefix))
    return prefix


def _fill(prefix: Path, count: int) -> Path:
    """Make a base that holds that many packages more, each with a console script."""
    base = _make_base(prefix)
    site_packages = base / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"
    for number in range(count):
        (site_packages / f"package{number}.py").touch()
        script = base / "bin" / f"package{number}"
        script.write_text(f"#!{base}/bin/python\n", encoding="utf-8")
        script.chmod(0o755)
    return base


def _make_tree(root: Path, base: Path, editables: int) -> Path:
    """Make a repository with that many editable packages, ready to use."""
    names = [f"package{number}" for number in range(editables)]
    for name in names:
        package = root / name
        package.mkdir(parents=True)
        build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        (package / "pyproject.toml").write_text(build, encoding="utf-8")
        (package / "backend.py").write_text(BACKEND.format(name=name, source=str(package)), encoding="utf-8")
    _run(["git", "init", "--quiet"], root)
    _write_config(root / "devpy.toml", base, names)
    _run([DEVPY, "update-editables"], root)
    return root


def _make_stack(folder: Path, base: Path) -> Path:
    root = folder / "repository"
    root.mkdir(parents=True)
    _run(["git", "init", "--quiet"], root)
    _write_config(folder / "stack.toml", base, [], '[devpy]\nkind = "stack"\n\n')
    (root / "devpy.toml").write_text('[devpy]\nextends = "../stack.toml"\n', encoding="utf-8")
    _run([DEVPY, "update-editables"], root)
    return root


def _make_worktrees(root: Path, base: Path, count: int) -> Path:
    _make_tree(root, base, 1)
    identity = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
    _run(["git", *identity, "commit", "--quiet", "--allow-empty", "--message=first"], root)
    for number in range(count - 1):
        _run(["git", "worktree", "add", "--quiet", "--detach", f"../{root.name}-{number}"], root)
    return root


def _write_config(path: Path, base: Path, names: Sequence[str], head: str = "") -> None:
    packages = ", ".join(f'"{name}"' for name in names)
    text = f'{head}[python]\nbase_conda_env = "{base}"\n\n[editables]\npackages = [{packages}]\n'
    path.write_text(text, encoding="utf-8")


def _run(command: Sequence[str | Path], cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _measure(programs: Sequence[Program], rounds: int) -> dict[str, list[float]]:
    """Return each program's wall times in seconds, after runs that leave bytecode and records behind."""
    for _ in range(2):
        for program in programs:
            _run(program.command, program.cwd)
        time.sleep(SETTLE_SECONDS)
    seconds: dict[str, list[float]] = {program.name: [] for program in programs}
    for _ in range(rounds):
        for program in programs:
            started = time.perf_counter()
            _run(program.command, program.cwd)
            seconds[program.name].append(time.perf_counter() - started)
    return seconds


def _print_table(programs: Sequence[Program], seconds: dict[str, list[float]]) -> None:
    print(f"{'program':34} {'median':>9} {'ratio':>7} {'difference':>11}  {'wanted':10} against")
    for program in programs:
        median = statistics.median(seconds[program.name])
        line = f"{program.name:34} {median * 1000:6.1f} ms"
        if program.against is not None:
            pairs = list(zip(seconds[program.name], seconds[program.against]))
            ratio = statistics.median(own / other for own, other in pairs)
            difference = statistics.median(own - other for own, other in pairs)
            line += f" {ratio:7.2f} {difference * 1000:+8.1f} ms  {program.wanted:10} {program.against}"
        print(line)


if __name__ == "__main__":
    main()
