"""How many instructions more the start of an overlay's Python takes because of the guard, counted by callgrind.

    python benchmarks/guard.py

Needs valgrind. Counts are the same every time, whatever else the machine is doing. The overlay is started as devpy
starts it; without the guard means: with the same bridge, but nothing armed and no `sitecustomize`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import devpy_pip_guard
from devpy_runner.commands import demo_base
from devpy_virtualenv_plugin import startup
from devpy_virtualenv_plugin.layout import GUARD

COMPILE = """
import py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
py_compile.compile(*sys.argv[1:], doraise=True, optimize=2, invalidation_mode=mode)
"""


def main() -> None:
    """Make an overlay, count, take the guard out of it, and count again."""
    with tempfile.TemporaryDirectory(prefix="devpy-guard-") as folder:
        base, root = Path(folder, "base"), Path(folder, "root")
        demo_base.make(str(base))
        root.mkdir()
        (root / "devpy.toml").write_text(f'[python]\nbase_conda_env = "{base}"\n', encoding="utf-8")
        (root / ".git").write_text("gitdir: nowhere", encoding="utf-8")  # devpy starts no git
        subprocess.run([sys.executable, "-m", "devpy_runner", "update-editables"], cwd=root, check=True)
        python = root / ".venv" / "bin" / "python"
        guarded = _instructions(python, base)
        _take_guard_out(python, base)
        unguarded = _instructions(python, base)
    print(f"with the guard     {guarded / 1e6:8.2f} M instructions")
    print(f"without the guard  {unguarded / 1e6:8.2f} M instructions")
    print(f"more               {guarded / unguarded - 1:8.2%}")


def _take_guard_out(python: Path, base: Path) -> None:
    venv = python.parent.parent
    (site_packages,) = venv.glob("lib/python3.*/site-packages")
    (site_packages / "sitecustomize.py").unlink()
    text = Path(devpy_pip_guard.__file__).read_text(encoding="utf-8")
    start = text.index("    arm()\n")
    module = site_packages / GUARD / "unguarded.py"
    unguarded = text[:start] + text[start + len("    arm()\n") :]
    places = startup.places(base / site_packages.relative_to(venv), venv)
    module.write_text(unguarded + places, encoding="utf-8")
    subprocess.run([python, "-I", "-S", "-c", COMPILE, module, module.with_name("__init__.pyc")], check=True)


def _instructions(python: Path, base: Path) -> int:
    """Return how many instructions a start takes, once its bytecode is cached."""
    environ = {"PATH": os.defpath, "CONDA_PREFIX": str(base), "PYTHONHASHSEED": "0"}
    subprocess.run([python, "-c", "pass"], env=environ, check=True)
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(python), "-c", "pass"]
    done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    (collected,) = (line for line in done.stderr.splitlines() if "Collected" in line)
    return int(collected.rpartition(":")[2])


if __name__ == "__main__":
    main()
