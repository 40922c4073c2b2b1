"""Packages with compiled parts: an old binary is named, and what an import builds again can be built again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .commands import Devpy, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository

pytestmark = pytest.mark.slow

CONFIG = '[python]\nbase_conda_env = "{base}"\n[editables]\npackages = ["{package}"]\n'
TEST = "def test_it():\n    pass\n"
MESON = {
    "mes/pyproject.toml": """\
[build-system]
requires = ["meson-python", "devpy-test-compiler"]
build-backend = "mesonpy"

[project]
name = "mes"
version = "1.0"
""",
    "mes/meson.build": """\
project('mes', version: '1.0')
py = import('python').find_installation(pure: false)
compiler = find_program('devpy-test-compiler')
compiled = custom_target(
  input: 'answer.txt', output: '_answer.py', command: [compiler, '@INPUT@', '@OUTPUT@'],
  install: true, install_dir: py.get_install_dir(pure: false) / 'mes', build_by_default: true,
)
py.install_sources('src/mes/__init__.py', subdir: 'mes')
""",
    "mes/src/mes/__init__.py": "from ._answer import ANSWER\n",
    "mes/answer.txt": "1",
}
COMPILER = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "devpy-test-compiler"
version = "1.0"
scripts = {devpy-test-compiler = "devpy_test_compiler:main"}

[tool.setuptools]
py-modules = ["devpy_test_compiler"]
""",
    "devpy_test_compiler.py": """\
import sys


def main():
    with open(sys.argv[1]) as source, open(sys.argv[2], "w") as target:
        target.write(f"ANSWER = {source.read()}\\n")
""",
}


@pytest.fixture
def extension(tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy: Devpy) -> Path:
    """A worktree whose package has a C extension that is up to date."""
    files = {"devpy.toml": CONFIG.format(base=conda_env.name, package="c-extension"), "tests/test_it.py": TEST}
    root = repository(tmp_path / "root", "c-extension", files=files)
    assert devpy("update-editables", cwd=root).code == 0
    return root


def test_source_that_is_newer_than_its_binary(extension: Path, devpy: Devpy) -> None:
    source = extension / "c-extension" / "src" / "_answer.c"
    assert "older" not in devpy("true", cwd=extension).err
    text = source.read_text("utf-8")
    source.write_text(text.replace("42", "43") + "/* changed */\n", encoding="utf-8")
    told = f"{extension}/c-extension: its compiled parts are older than {source}"
    for _ in range(2):
        assert told in devpy("true", cwd=extension).err
    assert told in devpy("doctor", cwd=extension).out
    assert "COMPILED BEFORE c-extension/src/_answer.c WAS CHANGED" in devpy("pytest", cwd=extension).out
    assert devpy("update-editables", cwd=extension).code == 0
    assert "older" not in devpy("true", cwd=extension).err
    assert "COMPILED" not in devpy("pytest", cwd=extension).out


@pytest.fixture
def wheels(tmp_path: Path, conda_env: CondaEnvironment, devpy_environ: dict[str, str]) -> Path:
    """A folder with a wheel of the compiler, as an index has it."""
    for name, text in COMPILER.items():
        (tmp_path / "compiler").mkdir(exist_ok=True)
        (tmp_path / "compiler" / name).write_text(text, encoding="utf-8")
    command: list[str | Path] = [conda_env.python, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"]
    made = run([*command, "-w", "wheels", "./compiler"], cwd=tmp_path, environ=devpy_environ)
    assert made.code == 0
    return tmp_path / "wheels"


def test_package_whose_imports_need_what_the_build_needed(
    tmp_path: Path, conda_env: CondaEnvironment, make_conda_env: MakeCondaEnv, repository: MakeRepository,
    devpy_environ: dict[str, str], wheels: Path,
) -> None:  # fmt: skip
    """As a meson-python package with sources in Cython does."""
    find_links = " ".join(filter(None, [devpy_environ.get("PIP_FIND_LINKS"), str(wheels)]))
    devpy = Devpy({**devpy_environ, "PIP_FIND_LINKS": find_links})
    base = make_conda_env.clone(conda_env, "of-meson")
    files = {**MESON, "devpy.toml": CONFIG.format(base=base.name, package="mes"), "tests/test_it.py": TEST}
    root = repository(tmp_path / "root", files=files)
    first = devpy("update-editables", cwd=root)
    assert first.code == 0
    lacking = f"{root}/mes is built again when it is imported, and the base lacks meson-python, devpy-test-compiler"
    assert lacking in first.err
    mend = f"conda install -p {base.prefix} meson-python devpy-test-compiler"
    assert mend in first.err

    (root / "mes" / "answer.txt").write_text("2", encoding="utf-8")
    answer = ("python", "-c", "import mes; print(mes.ANSWER)")
    assert devpy(*answer, cwd=root).code == 1
    doctor = devpy("doctor", cwd=root)
    assert doctor.code == 1
    assert f"mes ({root}/mes) cannot be imported: ImportError: rebuilding" in doctor.out
    assert mend in doctor.out
    refused = devpy("pytest", cwd=root)
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert "mes" in refused.err

    environ = {**devpy_environ, "PIP_FIND_LINKS": find_links}
    pip: list[str | Path] = [
        base.python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "meson-python",
        "ninja",
        "devpy-test-compiler",
    ]
    assert run(pip, cwd=root, environ=environ).code == 0
    assert "lacks" not in devpy("update-editables", cwd=root).err
    for number in ("3", "4"):
        (root / "mes" / "answer.txt").write_text(number, encoding="utf-8")
        assert devpy(*answer, cwd=root).out == f"{number}\n"
        plain = run([root / ".venv/bin/python", *answer[1:]], cwd=root, environ={"PATH": os.defpath})
        assert plain.out == f"{number}\n"
    assert devpy("doctor", cwd=root).code == 0
    assert "  mes: mes/src/mes\n" in devpy("pytest", cwd=root).out
