"""Building and installing editables without pip leaves what pip leaves, whatever a backend does."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from . import samples
from .commands import Devpy, Result, run
from .environments import CondaEnvironment, MakeCondaEnv
from .projects import MakeRepository

pytestmark = pytest.mark.slow

BACKENDS = ("flit_core", "hatchling", "editables", "pdm-backend", "poetry-core>=2", "scikit-build-core", "setuptools")
KINDS = (
    "setuptools-src", "setuptools-flat", "setuptools-compat", "setuptools-strict", "legacy-setup-py", "hatchling",
    "hatchling-exact", "flit", "poetry-core", "pdm", "pdm-editables", "scikit-build-core",
)  # fmt: skip
CONFIG = '[python]\nbase_conda_env = "{base}"\n[editables]\npackages = {packages}\ninstaller = "{installer}"\n'
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}


@pytest.fixture(scope="module")
def base(make_conda_env: MakeCondaEnv) -> CondaEnvironment:
    return make_conda_env("with-backends", packages=["pip", "pytest", *BACKENDS])


def tree(root: Path) -> dict[str, str]:
    """Return the files of an overlay by their paths, with what they hold, bytecode apart."""
    venv = root / ".venv"
    left_out = ("_devpy_guard", "__pycache__", "lib/devpy")
    files = [path for path in venv.rglob("*") if path.is_file() and not path.is_symlink()]
    names = {str(path.relative_to(venv)): path for path in files}
    return {name: _text(path) for name, path in names.items() if not any(part in name for part in left_out)}


def _text(path: Path) -> str:
    if path.name == "INSTALLER":
        return ""
    text = path.read_text("utf-8", "backslashreplace")
    if path.name == "direct_url.json":
        return json.dumps(json.loads(text), sort_keys=True)
    if path.name == "RECORD":
        lines = [line for line in text.splitlines() if "/INSTALLER," not in line and ".pyc," not in line]
        return "\n".join(sorted(line.partition(",")[0] for line in lines))
    if path.parent.name == "bin":
        return text.partition("\n")[0]  # what calls the function is the installer's own
    return text


def test_what_pip_leaves(
    tmp_path: Path, base: CondaEnvironment, repository: MakeRepository, devpy_environ: dict[str, str]
) -> None:
    """File by file, with every backend."""
    root = repository(tmp_path / "root")
    for kind in KINDS:
        samples.write(samples.declared(kind), root / kind, kind)
    trees = []
    for installer in ("pip", "devpy"):
        text = CONFIG.format(base=base.name, packages=json.dumps(KINDS), installer=installer)
        (root / "devpy.toml").write_text(text, encoding="utf-8")
        devpy = Devpy(devpy_environ)
        assert devpy("update-editables", cwd=root).code == 0
        trees.append(tree(root))
        for kind in KINDS:
            module = samples.declared(kind).module
            code = f"import {module}; print({module}.ORIGIN)"
            assert devpy("python", "-c", code, cwd=root).out == "worktree\n"
            assert devpy(f"pm-{kind}", cwd=root).out == "worktree\n"
        assert devpy("pip", "check", cwd=root).code == 0
        if installer == "pip":
            assert devpy("clean", cwd=root).code == 0
    by_pip, by_devpy = trees
    ignored = {"devpy.json", "devpy-start"}
    assert by_devpy.keys() - ignored == by_pip.keys() - ignored
    assert {name for name in by_pip.keys() - ignored if by_pip[name] != by_devpy[name]} == set()
    assert devpy("pip", "uninstall", "--yes", *(f"pm-{kind}" for kind in KINDS), cwd=root).code == 0
    left = [name for name in tree(root) if "pm_" in name or "pm-" in name or "__editable__" in name]
    assert left == []


class Odd:
    """A worktree with a package whose backend does odd things, and one whose backend does not."""

    def __init__(self, root: Path, environ: dict[str, str]) -> None:
        self.root = root
        self._devpy = Devpy(environ)

    def update(self, code: str, *arguments: str) -> Result:
        """Let the backend run some code ahead of the build, and update."""
        backend = self.root / "self-built" / "backend.py"
        text = backend.read_text("utf-8").partition("# odd\n")[0]
        lines = "".join(f"    {line}\n" for line in code.splitlines())
        odd = f"# odd\ndef build_editable(*arguments, build=build_editable):\n{lines}    return build(*arguments)\n"
        backend.write_text(text + odd, encoding="utf-8")
        return self._devpy("update-editables", "--reinstall", *arguments, cwd=self.root)

    def run(self, *command: str) -> Result:
        return self._devpy("--no-sync", *command, cwd=self.root)


@pytest.fixture
def odd(tmp_path: Path, base: CondaEnvironment, repository: MakeRepository, devpy_environ: dict[str, str]) -> Odd:
    packages = json.dumps(["self-built", "flit"])
    text = CONFIG.format(base=base.name, packages=packages, installer="devpy")
    root = repository(tmp_path / "root", "self-built", "flit", files={"devpy.toml": text})
    return Odd(root, {**devpy_environ, **OFFLINE})


@pytest.mark.parametrize(
    "code",
    [
        "print('x' * (1 << 23))",
        "import os; os.write(2, b'\\xff' * 5000)",
        "import os, time\nif os.fork() == 0: time.sleep(600)",
        "assert input.__name__ and open(0).read() == ''",
        "import threading, time; threading.Thread(target=time.sleep, args=(1,), daemon=True).start()",
    ],
    ids=["prints megabytes", "prints no text", "leaves a process", "asks for input", "leaves a thread"],
)
def test_odd_backend(odd: Odd, code: str) -> None:
    result = odd.update(code)
    assert result.code == 0
    assert len(result.err) < 2000
    assert "installed sample-self-built" in result.err
    assert odd.run("sample-self-built").code == 0


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise RuntimeError('no luck today')", "no luck today"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was ended by signal 11"),
        ("import os; print('leaving', flush=True); os._exit(0)", "leaving"),
        ("import os, signal; os.kill(os.getppid(), signal.SIGKILL); import time; time.sleep(1)", "has not been built"),
        ("raise SystemExit('bye')", "bye"),
    ],
)
def test_failing_backend(odd: Odd, code: str, told: str) -> None:
    """What was installed stays as it was, and the others, too."""
    assert odd.update("pass").code == 0
    failed = odd.update(code)
    assert failed.code == 2
    assert f"{odd.root}/self-built" in failed.err
    assert told in failed.err
    assert failed.err.splitlines()[-1] == "  mend that, then: devpy update-editables"
    assert odd.run("python", "-c", "import sample_self_built, sample_flit").code == 0
    assert odd.update("pass").code == 0


@pytest.mark.bounds
def test_script_in_the_place_of_the_bases(odd: Odd, base: CondaEnvironment) -> None:
    """It replaces the link; what the link leads to runs all other scripts."""
    assert odd.update("pass").code == 0
    pytest_link = odd.root / ".venv" / "bin" / "pytest"
    assert pytest_link.is_symlink()
    for name in ("pyproject.toml",):
        path = odd.root / "self-built" / name
        path.write_text(
            path.read_text("utf-8").replace('name = "sample-self-built"', 'name = "pytest"'), encoding="utf-8"
        )
    (odd.root / "self-built" / "src" / "sample_self_built").rename(odd.root / "self-built" / "src" / "pytest")
    assert odd.update("pass").code == 0
    assert not pytest_link.is_symlink()
    assert odd.run("pip", "--version").out.startswith("pip ")
    assert base.prefix.joinpath("bin", "pytest").read_text("utf-8").startswith("#!")


@pytest.mark.bounds
def test_unsound_wheel(odd: Odd) -> None:
    result = odd.update(
        "import os; open(os.path.join(arguments[0], 'x-1.0-py3-none-any.whl'), 'w').close()\n"
        "return 'x-1.0-py3-none-any.whl'"
    )
    assert result.code == 2
    assert "x-1.0-py3-none-any.whl, which is no sound wheel" in result.err


def test_requirement_that_only_the_backend_asks_for(
    tmp_path: Path, conda_env: CondaEnvironment, repository: MakeRepository, devpy_environ: dict[str, str]
) -> None:
    """Then pip builds it in isolation, and the user may see why."""
    text = CONFIG.format(base=conda_env.name, packages='["self-built"]', installer="devpy")
    root = repository(tmp_path / "root", "self-built", files={"devpy.toml": text})
    backend = root / "self-built" / "backend.py"
    asks = "\n\ndef get_requires_for_build_editable(settings=None):\n    return ['editables>=0.5']\n"
    backend.write_text(backend.read_text("utf-8") + asks, encoding="utf-8")
    result = Devpy(devpy_environ)("update-editables", "-v", cwd=root)
    assert result.code == 0
    assert f"{root}/self-built: editables>=0.5" in result.err
    assert "Building editable for sample-self-built" in result.err


def test_variables_of_pips_builds_keep_their_meaning(
    tmp_path: Path, base: CondaEnvironment, repository: MakeRepository, devpy_environ: dict[str, str]
) -> None:
    text = CONFIG.format(base=base.name, packages='["flit"]', installer="devpy")
    root = repository(tmp_path / "root", "flit", files={"devpy.toml": text})
    result = Devpy({**devpy_environ, "PIP_NO_BUILD_ISOLATION": "0"})("update-editables", "-v", cwd=root)
    assert result.code == 0
    assert "Successfully installed sample-flit" in result.err


def test_uninstalling_removes_nothing_outside_the_overlay(odd: Odd, tmp_path: Path) -> None:
    """Whatever RECORD lists."""
    assert odd.update("pass").code == 0
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "file.txt").touch()
    (site_packages,) = odd.root.glob(".venv/lib/python3.*/site-packages")
    (site_packages / "link").symlink_to(outside)
    (record,) = site_packages.glob("sample_self_built-*/RECORD")
    lines = [f"{outside}/file.txt", "../../../../precious/file.txt", "link/file.txt", "../../../../devpy.toml"]
    record.write_text(record.read_text("utf-8") + "".join(f"{line},,\n" for line in lines), encoding="utf-8")
    assert odd.update("pass").code == 0
    assert (outside / "file.txt").exists()
    assert (odd.root / "devpy.toml").exists()
    plain = run(
        [odd.root / ".venv/bin/python", "-c", "import sample_self_built"], cwd=tmp_path, environ={"PATH": os.defpath}
    )
    assert plain.code == 0
