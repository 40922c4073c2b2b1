"""The guard in front of real pips: every way of asking for an editable, from pip 20.3 to the newest.

By default the oldest and the newest pip see every form, and those between them a few: `DEVPY_FULL_MATRIX=1` lets every
pip see every form. Wheels of pip are kept in pytest's cache between runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from urllib.parse import quote

import pytest
import tomli

import devpy_pip_guard

from . import interpreters
from .commands import Result, clean_environ, run
from .interpreters import Interpreter

OLDEST, NEWEST = "20.3.4", "newest"
PYTHON_OF_PIP = {
    OLDEST: "3.8",
    "21.3.1": "3.8",
    "22.3.1": "3.9",
    "23.3.2": "3.10",
    "24.3.1": "3.12",
    "25.3": "3.13",
    "26.0.1": "3.12",
    NEWEST: "3.11",
}
PIPS = list(PYTHON_OF_PIP)

BACKEND = """
import importlib.util, os, zipfile

METADATA = f"Metadata-Version: 2.1\\nName: {NAME}\\nVersion: 1.0\\nProvides-Extra: x\\n"
with open(TRACE, "w") as trace:
    trace.write("sees the base" if importlib.util.find_spec("setuptools") else "isolated")


def build_wheel(directory, config_settings=None, metadata_directory=None):
    with open(f"{NAME}.py") as module:
        return _write(directory, f"{NAME}.py", module.read())


def build_editable(directory, config_settings=None, metadata_directory=None):
    return _write(directory, f"{NAME}.pth", os.getcwd())


def prepare_metadata_for_build_wheel(directory, config_settings=None):
    info = os.path.join(directory, f"{NAME}-1.0.dist-info")
    os.mkdir(info)
    for name, text in _dist_info().items():
        with open(os.path.join(info, name), "w") as file:
            file.write(text)
    return os.path.basename(info)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def _dist_info():
    return {"METADATA": METADATA, "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}


def _write(directory, name, text):
    wheel = f"{NAME}-1.0-py3-none-any.whl"
    info = f"{NAME}-1.0.dist-info"
    files = {name: text, **{f"{info}/{key}": value for key, value in _dist_info().items()}}
    files[f"{info}/RECORD"] = "".join(f"{path},,\\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(os.path.join(directory, wheel), "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return wheel
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'

# What pip asks of a setup.py before PEP 660, without setuptools.
SETUP_PY = """
import os, sys, sysconfig

open(TRACE, "w").close()
if "egg_info" in sys.argv:
    info = os.path.join(sys.argv[sys.argv.index("--egg-base") + 1], f"{NAME}.egg-info")
    os.makedirs(info, exist_ok=True)
    with open(os.path.join(info, "PKG-INFO"), "w") as file:
        file.write(f"Metadata-Version: 2.1\\nName: {NAME}\\nVersion: 1.0\\nProvides-Extra: x\\n")
if "develop" in sys.argv:
    with open(os.path.join(sysconfig.get_path("purelib"), f"{NAME}.pth"), "w") as file:
        file.write(os.getcwd())
"""


class Project(NamedTuple):
    """A package that can be installed."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name.split(" ")[0]

    @property
    def url(self) -> str:
        return "file://" + quote(str(self.folder))

    @property
    def trace(self) -> Path:
        """The file that any step of a build leaves."""
        return self.folder / "built"

    @property
    def was_touched(self) -> bool:
        """Whether any part of a build has run."""
        return self.trace.exists()


class Overlay(NamedTuple):
    """An overlay on a base that holds pip and nothing else, governed by the devpy.toml beside it."""

    root: Path
    interpreter: Interpreter
    base: Path
    """The folder in the place of the base's site-packages."""
    environ: dict[str, str]

    @property
    def python(self) -> Path:
        return self.root / ".venv" / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return self.root / ".venv" / "lib" / f"python{self.interpreter.minor}" / "site-packages"

    @property
    def config(self) -> Path:
        return self.root / "devpy.toml"

    @property
    def pip_version(self) -> tuple[int, ...]:
        info = next(self.base.glob("pip-*.dist-info")).name
        return tuple(int(number) for number in info[len("pip-") : -len(".dist-info")].split("."))

    def project(self, name: str, *, for_editable: bool = True) -> Project:
        """Make a project that this pip can install, as an editable or not."""
        folder = self.root / name
        folder.mkdir()
        project = Project(folder)
        # An old pip builds in a copy of the folder: neither name nor trace may depend on where that is.
        constants = f"NAME = {project.name!r}\nTRACE = {str(project.trace)!r}\n"
        (folder / f"{project.name}.py").write_text("")
        if self.pip_version >= (21, 3) or not for_editable:
            (folder / "backend.py").write_text(constants + BACKEND, encoding="utf-8")
            (folder / "pyproject.toml").write_text(PYPROJECT)
        else:
            (folder / "setup.py").write_text(constants + SETUP_PY, encoding="utf-8")
        return project

    def declare(self, *projects: Project) -> None:
        packages = [str(each.folder.relative_to(self.root)) for each in projects]
        self.config.write_text(f'[python]\nbase_conda_env = "any"\n[editables]\npackages = {packages!r}\n')

    def run(self, *args: str | Path, cwd: Path | None = None, **environ: str) -> Result:
        """Run the overlay's Python."""
        return run([self.python, *args], cwd=cwd or self.root, environ={**self.environ, **environ})

    def pip(self, *args: str | Path, cwd: Path | None = None, **environ: str) -> Result:
        return self.run("-m", "pip", *args, cwd=cwd, **environ)

    def can_import(self, project: Project) -> bool:
        return self.run("-I", "-c", f"import {project.name}").code == 0

    def installed(self) -> list[str]:
        return sorted(path.name for path in self.site_packages.iterdir() if path.name != "__pycache__")


class Pips:
    """Folders in the place of a base's site-packages, each with one version of pip.

    :param cache: where they are kept, absolute
    """

    def __init__(self, cache: Path, environ: dict[str, str]) -> None:
        self._cache = cache
        self._environ = environ
        self._looked_for_newer = False

    def __call__(self, version: str, interpreter: Interpreter) -> Path:
        folder = self._cache / f"pip-{version}-for-{interpreter.minor}"
        may_be_old = version == NEWEST and not self._looked_for_newer
        if may_be_old or not folder.is_dir():
            self._unpack(self._download(version, interpreter), folder)
            self._looked_for_newer = self._looked_for_newer or version == NEWEST
        return folder

    def _download(self, version: str, interpreter: Interpreter) -> Path:
        wheels = self._cache / "wheels" / version
        requirement = "pip" if version == NEWEST else f"pip=={version}"
        options = ["--quiet", "--no-deps", "--only-binary=:all:", f"--python-version={interpreter.minor}"]
        command = [sys.executable, "-m", "pip", "download", *options, f"--dest={wheels}", requirement]
        subprocess.run(command, env=self._environ, check=True)
        return max(wheels.glob("pip-*.whl"), key=lambda wheel: wheel.stat().st_mtime)

    def _unpack(self, wheel: Path, folder: Path) -> None:
        if (folder / (wheel.name.rpartition("-py")[0] + ".dist-info")).is_dir():
            return
        shutil.rmtree(folder, ignore_errors=True)
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unfinished)
        (unfinished / "setuptools.py").touch()  # an old pip imports it before it runs a setup.py
        unfinished.rename(folder)


MakeOverlay = Callable[..., Overlay]


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory, pip_cache: Path) -> dict[str, str]:
    return clean_environ(tmp_path_factory.mktemp("home"), pip_cache)


@pytest.fixture(scope="module")
def make_overlay(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]
) -> MakeOverlay:
    """Make an overlay on a base with the given pip; `base` replaces that base by a changed copy."""
    assert request.config.cache is not None
    pips = Pips(request.config.cache.mkdir("guard-matrix"), environ)
    templates: dict[str, Path] = {}
    one_at_a_time = Lock()

    def make(pip: str, base: Callable[[Path], Path] | None = None) -> Overlay:
        interpreter = interpreters.find(PYTHON_OF_PIP[pip])
        with one_at_a_time:
            root = tmp_path_factory.mktemp("worktree").resolve()
            holds_pip = pips(pip, interpreter)
            if interpreter.minor not in templates:
                templates[interpreter.minor] = create_template(tmp_path_factory.mktemp("venv"), interpreter, environ)
        isolated = {**environ, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
        overlay = Overlay(root, interpreter, base(holds_pip) if base else holds_pip, isolated)
        create(overlay, templates[interpreter.minor])
        overlay.declare()
        return overlay

    return make


def create_template(venv: Path, interpreter: Interpreter, environ: dict[str, str]) -> Path:
    """Write what does not depend on where an overlay is: the virtual environment and the guard, compiled."""
    command: list[str | Path] = [interpreter.program, "-m", "venv", "--without-pip", "--symlinks", venv]
    subprocess.run(command, env=environ, check=True)
    site_packages = venv / "lib" / f"python{interpreter.minor}" / "site-packages"
    guard = site_packages / "_devpy_guard"
    copy_sources(Path(devpy_pip_guard.__file__).parent, guard)
    (guard / "sitecustomize.py").rename(site_packages / "sitecustomize.py")
    if interpreter.minor in ("3.8", "3.9", "3.10"):
        copy_sources(Path(tomli.__file__).parent, guard / "_tomli")
    compile_all = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(site_packages)]
    subprocess.run([venv / "bin" / "python", *compile_all], env=environ, check=True)
    return venv


def create(overlay: Overlay, template: Path) -> None:
    """Write what the virtualenv creator writes, as far as the guard is concerned."""
    venv = overlay.root / ".venv"
    shutil.copytree(template, venv, symlinks=True)
    with (venv / "pyvenv.cfg").open("a") as cfg:
        cfg.write(f"devpy-config = {overlay.config}\n")
    for name in ("pip", f"pip{overlay.interpreter.minor}"):
        script = venv / "bin" / name
        script.write_text(f"#!{overlay.python}\nfrom pip._internal.cli.main import main\nraise SystemExit(main())\n")
        script.chmod(0o755)
    line = f"import _devpy_guard; _devpy_guard.start({os.fsencode(overlay.base)!r}, known_paths)\n"
    (overlay.site_packages / "~devpy.pth").write_text(line)


def copy_sources(source: Path, target: Path) -> None:
    target.mkdir()
    for file in source.glob("*.py"):
        shutil.copyfile(file, target / file.name)


@pytest.fixture
def overlay(make_overlay: MakeOverlay) -> Overlay:
    return make_overlay(NEWEST)


# How a request reaches pip. Each form runs pip for the given project.


class Form(NamedTuple):
    request: Callable[[Overlay, Project], Result]
    since: tuple[int, ...] = (0,)
    """The first pip that knows it."""
    installs: bool = True
    """Whether the overlay can import the project when pip has accepted it."""


def write(overlay: Overlay, name: str, text: str) -> Path:
    path = overlay.root / name
    path.write_text(text, encoding="utf-8")
    return path


def install(*args: str, **environ: str) -> Callable[[Overlay, Project], Result]:
    """Return a form: `pip install` with placeholders for the project, run in the project's folder."""

    def request(overlay: Overlay, project: Project) -> Result:
        return overlay.pip("install", *fill(args, overlay, project), cwd=project.folder, **environ)

    return request


def fill(args: tuple[str, ...], overlay: Overlay, project: Project) -> list[str]:
    values = {"path": project.folder, "url": project.url, "name": project.name, "root": overlay.root}
    return [arg.format(**values) for arg in args]


def python(*before: str) -> Callable[[Overlay, Project], Result]:
    """Return a form: options of Python before `-m pip install -e`."""
    return lambda overlay, project: overlay.run(*before, "-m", "pip", "install", "-e", project.folder)


def code(text: str) -> Callable[[Overlay, Project], Result]:
    """Return a form: a program that installs `sys.argv[1:]` with pip."""
    return lambda overlay, project: overlay.run("-c", text, "install", "-e", project.folder)


def script(name: str) -> Callable[[Overlay, Project], Result]:
    def request(overlay: Overlay, project: Project) -> Result:
        program = overlay.root / ".venv" / "bin" / name.format(minor=overlay.interpreter.minor)
        return run([program, "install", "-e", project.folder], cwd=overlay.root, environ=overlay.environ)

    return request


def requirements(text: str, name: str = "{name}.txt") -> Callable[[Overlay, Project], Result]:
    """Return a form: a requirements file."""

    def request(overlay: Overlay, project: Project) -> Result:
        file_name, content = fill((name, text), overlay, project)
        return overlay.pip("install", "-r", write(overlay, file_name, content))

    return request


def nested_requirements(overlay: Overlay, project: Project) -> Result:
    inner = write(overlay, f"{project.name}-inner.txt", f"-e {project.folder}\n")
    return overlay.pip("install", "-r", write(overlay, f"{project.name}-outer.txt", f"-r {inner}\n"))


def requirements_variable(overlay: Overlay, project: Project) -> Result:
    file = write(overlay, f"{project.name}-variable.txt", f"-e {project.folder}\n")
    return overlay.pip("install", PIP_REQUIREMENT=str(file))


def editable_variable(overlay: Overlay, project: Project) -> Result:
    return overlay.pip("install", PIP_EDITABLE=str(project.folder))


def config_file(overlay: Overlay, project: Project) -> Result:
    file = write(overlay, f"{project.name}.conf", f"[install]\neditable = {project.folder}\n")
    return overlay.pip("install", PIP_CONFIG_FILE=str(file))


def pylock(overlay: Overlay, project: Project) -> Result:
    folder = overlay.root / f"lock-{project.name}"
    folder.mkdir()
    (folder / "pylock.toml").write_text(
        f'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "{project.name.replace("_", "-")}"\n'
        f'directory = {{ path = "{project.folder}", editable = true }}\n'
    )
    return overlay.pip("install", "-r", folder / "pylock.toml")


def outer_pip(overlay: Overlay, project: Project) -> Result:
    command: list[str | Path] = [overlay.interpreter.program, overlay.base / "pip", "--python", overlay.python]
    return run([*command, "install", "-e", project.folder], cwd=overlay.root, environ=overlay.environ)


def folder_of_pip(overlay: Overlay, project: Project) -> Result:
    return overlay.run(overlay.base / "pip", "install", "-e", project.folder)


def symlink(overlay: Overlay, project: Project) -> Result:
    link = overlay.root / f"link-{project.name}"
    link.symlink_to(project.folder)
    return overlay.pip("install", "-e", link)


FORMS = {
    "-e .": Form(install("-e", ".")),
    "-e.": Form(install("-e.")),
    "-e PATH": Form(install("-e", "{path}")),
    "-ePATH": Form(install("-e{path}")),
    "-Ue .": Form(install("-Ue", ".")),
    "--editable PATH": Form(install("--editable", "{path}")),
    "--editable=PATH": Form(install("--editable={path}")),
    "--edit PATH": Form(install("--edit", "{path}")),
    "options first": Form(lambda overlay, project: overlay.pip("-q", "--no-input", "install", "-e", project.folder)),
    "trailing slash": Form(install("-e", "{path}/")),
    "dots": Form(install("-e", "{path}/../{path.name}/.")),
    "relative": Form(install("-e", "../{path.name}")),
    "symlink": Form(symlink),
    "extras": Form(install("-e", ".[x]")),
    "URL": Form(install("-e", "{url}")),
    "URL localhost": Form(install("-e", "file://localhost{path}")),
    "URL #egg": Form(install("-e", "{url}#egg={name}")),
    "URL #egg extras": Form(install("-e", "{url}#egg={name}[x]")),
    "URL #subdirectory": Form(install("-e", "file://{root}#egg={name}&subdirectory={path.name}")),
    "PEP 508": Form(install("-e", "{name} @ {url}"), since=(25, 3)),
    "-r": Form(requirements("-e {path}\n")),
    "-r --editable=": Form(requirements("--editable={path}\n")),
    "-r relative": Form(requirements("-e ./{path.name}\n")),
    "-r URL": Form(requirements("-e {url}#egg={name}\n")),
    "-r nested": Form(nested_requirements),
    "PIP_REQUIREMENT": Form(requirements_variable, since=(22, 0)),
    "PIP_EDITABLE": Form(editable_variable),
    "pip.conf": Form(config_file),
    "pylock.toml": Form(pylock, since=(26, 3)),
    "bin/pip": Form(script("pip")),
    "bin/pipX.Y": Form(script("pip{minor}")),
    "pip.main": Form(code("import pip, sys; sys.exit(pip.main(sys.argv[1:]))")),
    "_internal": Form(code("import sys; from pip._internal.cli.main import main; sys.exit(main(sys.argv[1:]))")),
    "runpy": Form(code("import runpy; runpy.run_module('pip', run_name='__main__', alter_sys=True)")),
    "--python": Form(outer_pip, since=(22, 3)),
    "python PIPDIR": Form(folder_of_pip),
    "python -I": Form(python("-I")),
    "python -E": Form(python("-E")),
    "python -s": Form(python("-s")),
    "python -O": Form(python("-O")),
    "legacy resolver": Form(install("-e", ".", "--use-deprecated=legacy-resolver")),
    "no isolation": Form(install("-e", ".", "--no-build-isolation")),
    "--no-deps": Form(install("-e", ".", "--no-deps")),
    "--dry-run": Form(install("-e", ".", "--dry-run"), since=(22, 2), installs=False),
    "--target": Form(install("-e", ".", "--target={root}/target-{name}"), since=(21, 3), installs=False),
    "--prefix": Form(install("-e", ".", "--prefix={root}/prefix-{name}"), since=(21, 3), installs=False),
    "--root": Form(install("-e", ".", "--root={root}/root-{name}"), since=(21, 3), installs=False),
}
# What has to work as if there were no guard.


class Control(NamedTuple):
    args: tuple[str, ...]
    """For pip, with the placeholders of a form."""
    since: tuple[int, ...] = (0,)
    says: str = ""
    """What it prints."""
    makes: str = ""
    """A file that is there afterwards, relative to the overlay's root."""


CONTROLS = {
    "install PATH": Control(("install", "{path}"), makes=".venv/lib/python{minor}/site-packages/{name}.py"),
    "wheel -e": Control(("wheel", "-e", "{path}", "-w", "{root}/w"), (21, 3), makes="w/{name}-1.0-py3-none-any.whl"),
    "download": Control(("download", "{path}", "-d", "{root}/d"), says="Successfully downloaded"),
    "lock -e": Control(("lock", "-e", "{path}", "-o", "{root}/pylock.toml"), (25, 1), makes="pylock.toml"),
    "false marker": Control(("install", "-e", "{name} @ {url} ; python_version < '3'"), (25, 3), says="Ignoring"),
    "satisfied by the base": Control(("install", "pip"), says="already satisfied"),
    "check": Control(("check",), says="No broken requirements"),
    "list": Control(("list",), says="pip "),
    "uninstall from the base": Control(("uninstall", "-y", "pip"), says="utside environment"),
}


# The matrix. Each case has an overlay of its own, so that as many can run at once as there are processors.

FEW = ["-e .", "-r nested", "bin/pip", "install PATH", "wheel -e"]


class Case(NamedTuple):
    pip: str
    name: str
    """Of a form or a control."""
    declared: bool = False


class Observation(NamedTuple):
    """What was seen of one case."""

    overlay: Overlay
    project: Project
    result: Result
    changed: bool
    """Whether the overlay's site-packages differ from what they were before."""


def cases(names: Iterable[str], *thorough: str, declared: bool = False) -> list[object]:
    """Pair the pips with all names if they are to be thorough, with a few if not."""
    everywhere = os.environ.get("DEVPY_FULL_MATRIX") == "1"
    return [
        pytest.param(Case(pip, name, declared), id=f"pip {pip}, {name}")
        for name in names
        for pip in PIPS
        if everywhere or pip in thorough or name in FEW
    ]


@pytest.fixture(scope="module")
def observe(request: pytest.FixtureRequest, make_overlay: MakeOverlay) -> Iterator[Callable[[Case], Observation]]:
    """Return what was seen of a case; all that this run of pytest has selected are started at once."""
    selected = [item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {case: pool.submit(run_case, case, make_overlay) for case in selected if isinstance(case, Case)}
        yield lambda case: futures[case].result()


def run_case(case: Case, make_overlay: MakeOverlay) -> Observation:
    overlay = make_overlay(case.pip)
    form = FORMS.get(case.name)
    if overlay.pip_version < (form or CONTROLS[case.name]).since:
        pytest.skip(f"pip {case.pip} cannot do this")
    project = overlay.project("package", for_editable=form is not None)
    overlay.declare(*[project] if case.declared else [])
    before = overlay.installed()
    if form is not None:
        result = form.request(overlay, project)
    else:
        overlay.config.unlink()  # nobody asks what is declared
        result = overlay.pip(*fill(CONTROLS[case.name].args, overlay, project))
    return Observation(overlay, project, result, changed=overlay.installed() != before)


@pytest.mark.parametrize("case", cases(FORMS, OLDEST, NEWEST))
def test_undeclared_is_refused_before_anything_is_built(observe: Callable[[Case], Observation], case: Case) -> None:
    seen = observe(case)

    assert_refused(seen.result, seen.project, seen.overlay)
    assert not seen.changed


@pytest.mark.parametrize("case", cases(FORMS, NEWEST, declared=True))
def test_declared_is_accepted(observe: Callable[[Case], Observation], case: Case) -> None:
    seen = observe(case)

    assert seen.result.code == 0
    assert seen.project.was_touched
    assert seen.changed == FORMS[case.name].installs
    assert seen.overlay.can_import(seen.project) == FORMS[case.name].installs


@pytest.mark.parametrize("case", cases(CONTROLS, OLDEST, NEWEST))
def test_control_is_untouched(observe: Callable[[Case], Observation], case: Case) -> None:
    seen, control = observe(case), CONTROLS[case.name]

    assert seen.result.code == 0
    assert control.says in seen.result.out + seen.result.err
    made = control.makes.format(name=seen.project.name, minor=seen.overlay.interpreter.minor)
    assert (seen.overlay.root / made).exists()
    assert (seen.overlay.base / "pip" / "__init__.py").exists()


def assert_refused(result: Result, project: Project, overlay: Overlay) -> None:
    """Check what a user sees, and that no part of a build has run."""
    assert result.code == 1
    (line,) = [line for line in result.err.splitlines() if line.startswith("ERROR:")]
    assert f"devpy: {project.folder} is not declared in {overlay.config}" in line
    assert f'add "{project.folder.relative_to(overlay.root)}" to packages under [editables]' in line
    assert "devpy update-editables" in line
    assert "Traceback" not in result.err
    assert not project.was_touched


@pytest.mark.parametrize("pip", [OLDEST, NEWEST])
def test_hostile_spelling_of_a_declared_folder_is_accepted(make_overlay: MakeOverlay, pip: str) -> None:
    overlay = make_overlay(pip)
    project = overlay.project("named ä %20 and so on")
    overlay.declare(project)

    result = overlay.pip("install", "-e", project.url)

    assert result.code == 0
    assert project.was_touched


@pytest.mark.parametrize("pip", [OLDEST, NEWEST])
def test_version_control_is_refused_before_it_is_cloned(make_overlay: MakeOverlay, pip: str) -> None:
    overlay = make_overlay(pip)

    result = overlay.pip("install", "-e", "git+file://me:secret@localhost/nowhere/repository#egg=repository")

    assert result.code == 1
    (line,) = [line for line in result.err.splitlines() if line.startswith("ERROR:")]
    assert "git+file://localhost/nowhere/repository" in line
    assert "secret" not in line
    assert str(overlay.config) in line
    assert "devpy update-editables" in line
    assert not (overlay.root / ".venv" / "src").exists()


@pytest.mark.parametrize("pip", [OLDEST, NEWEST])
def test_nothing_beside_an_undeclared_one_is_built(make_overlay: MakeOverlay, pip: str) -> None:
    overlay = make_overlay(pip)
    regular = overlay.project("regular", for_editable=False)
    declared, undeclared = overlay.project("beside_declared"), overlay.project("beside_undeclared")
    overlay.declare(declared)

    result = overlay.pip("install", regular.folder, "-e", declared.folder, "-e", undeclared.folder)

    assert_refused(result, undeclared, overlay)
    assert not regular.was_touched
    assert not declared.was_touched


@pytest.mark.parametrize("case", cases(["install PATH"]))
def test_isolated_build_does_not_see_the_base(observe: Callable[[Case], Observation], case: Case) -> None:
    assert observe(case).project.trace.read_text() == "isolated"


# Without the guard, and with half of it.


def bridge_without_guard(overlay: Overlay) -> None:
    (overlay.site_packages / "~devpy.pth").write_text(f"{overlay.base}\n")


def no_sitecustomize(overlay: Overlay) -> None:
    (overlay.site_packages / "sitecustomize.py").unlink()


@pytest.mark.parametrize("pip", [OLDEST, NEWEST])
def test_without_the_guard_undeclared_is_accepted(make_overlay: MakeOverlay, pip: str) -> None:
    overlay = make_overlay(pip)
    bridge_without_guard(overlay)
    no_sitecustomize(overlay)
    project = overlay.project("undeclared")

    assert overlay.pip("install", "-e", project.folder).code == 0
    assert overlay.can_import(project)


@pytest.mark.parametrize("disarm", [bridge_without_guard, no_sitecustomize])
def test_either_half_is_enough(overlay: Overlay, disarm: Callable[[Overlay], None]) -> None:
    disarm(overlay)
    project = overlay.project("undeclared")

    assert_refused(overlay.pip("install", "-e", project.folder), project, overlay)


# Other programs' sitecustomize.


def test_guard_holds_behind_another_sitecustomize(overlay: Overlay, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('first')")
    project = overlay.project("undeclared")

    result = overlay.pip("install", "-e", project.folder, PYTHONPATH=str(tmp_path))

    assert result.out.startswith("first\n")
    assert_refused(result, project, overlay)


def copy_of_base(tmp_path: Path) -> Callable[[Path], Path]:
    """Return how to replace a base by a copy, which a test may change."""
    return lambda base: Path(shutil.copytree(base, tmp_path / "base"))


def test_next_sitecustomize_runs_as_itself(make_overlay: MakeOverlay, tmp_path: Path) -> None:
    overlay = make_overlay(NEWEST, copy_of_base(tmp_path))
    next_one = overlay.base / "sitecustomize.py"
    next_one.write_text("MARK = __name__")
    project = overlay.project("undeclared")

    result = overlay.run("-c", "import sitecustomize as s; print(s.MARK, s.__file__, s.__spec__.origin)")

    assert result.out.split() == ["sitecustomize", str(next_one), str(next_one)]
    assert result.err == ""
    assert_refused(overlay.pip("install", "-e", project.folder), project, overlay)


def test_error_in_the_next_sitecustomize_is_reported_as_site_does(make_overlay: MakeOverlay, tmp_path: Path) -> None:
    overlay = make_overlay(NEWEST, copy_of_base(tmp_path))
    (overlay.base / "sitecustomize.py").write_text("1 / 0")
    guarded = overlay.run("-c", "print('started')")
    no_sitecustomize(overlay)
    unguarded = overlay.run("-c", "print('started')")

    assert guarded == unguarded
    assert guarded.out == "started\n"
    assert "ZeroDivisionError" in guarded.err


# What the guard relies on is missing or broken.


@pytest.mark.parametrize("name", ["__init__", "hook", "declaration", "config", "errors"])
@pytest.mark.parametrize("text", ["", "half a ("], ids=["empty", "half-written"])
def test_broken_guard_lets_python_start_and_no_editable_in(overlay: Overlay, name: str, text: str) -> None:
    guard = overlay.site_packages / "_devpy_guard"
    (guard / f"{name}.py").write_text(text)
    shutil.rmtree(guard / "__pycache__")
    project = overlay.project("undeclared")

    assert overlay.run("-c", "print('started')").out == "started\n"
    assert overlay.pip("install", "-e", project.folder).code != 0
    assert not project.was_touched


def test_truncated_bytecode_lets_python_start_and_no_editable_in(overlay: Overlay) -> None:
    for compiled in overlay.site_packages.rglob("*.pyc"):
        compiled.write_bytes(compiled.read_bytes()[:40])
    project = overlay.project("undeclared")

    assert overlay.run("-c", "print('started')").out == "started\n"
    assert overlay.pip("install", "-e", project.folder).code != 0
    assert not project.was_touched


def test_edit_of_the_config_counts_at_once(overlay: Overlay) -> None:
    project = overlay.project("package")
    overlay.declare(project)
    assert overlay.pip("install", "--no-deps", "-e", project.folder).code == 0
    project.trace.unlink()
    overlay.declare()

    assert_refused(overlay.pip("install", "-e", project.folder), project, overlay)


def test_stack_config_governs_through_extends(overlay: Overlay) -> None:
    declared, undeclared = overlay.project("declared"), overlay.project("undeclared")
    overlay.declare(declared)
    stack = overlay.config.rename(overlay.root / "devpy.stack.toml")
    stack.write_text(stack.read_text() + '[devpy]\nkind = "stack"\n')
    overlay.config.write_text('[devpy]\nextends = "devpy.stack.toml"\n')

    assert overlay.pip("install", "-e", declared.folder).code == 0
    result = overlay.pip("install", "-e", undeclared.folder)
    assert result.code == 1
    assert f"{undeclared.folder} is not declared in {stack}" in result.err


def no_config(overlay: Overlay) -> str:
    overlay.config.unlink()
    return f"missing {overlay.config}"


def broken_config(overlay: Overlay) -> str:
    overlay.config.write_text("[python\n")
    return f"{overlay.config}: "


def unknown_key(overlay: Overlay) -> str:
    overlay.config.write_text('[python]\nbase_conda_env = "any"\n[editables]\npackage = ["."]\n')
    return "did you mean"


def no_recorded_config(overlay: Overlay) -> str:
    cfg = overlay.root / ".venv" / "pyvenv.cfg"
    cfg.write_text("".join(line for line in cfg.read_text().splitlines(True) if "devpy-config" not in line))
    return f"{cfg}: devpy-config: missing"


@pytest.mark.parametrize("break_it", [no_config, broken_config, unknown_key, no_recorded_config])
def test_unreadable_declaration_refuses_editables_alone(overlay: Overlay, break_it: Callable[[Overlay], str]) -> None:
    project, regular = overlay.project("declared"), overlay.project("regular")
    overlay.declare(project)
    problem = break_it(overlay)

    result = overlay.pip("install", "-e", project.folder)

    assert result.code == 1
    (line,) = [line for line in result.err.splitlines() if line.startswith("ERROR:")]
    assert f"cannot tell whether {project.folder} is declared" in line
    assert problem in line
    assert not project.was_touched
    assert overlay.pip("install", regular.folder).code == 0


def copy_with_other_name(tmp_path: Path, old: str, new: str) -> Callable[[Path], Path]:
    """Return how to replace a base by one whose pip calls something by another name."""

    def copy(base: Path) -> Path:
        changed = copy_of_base(tmp_path)(base)
        for file in (changed / "pip" / "_internal").rglob("*.py"):
            file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        return changed

    return copy


HOOK = "prepare_editable_requirement"


@pytest.mark.parametrize(("old", "new"), [(HOOK, "prepare_development_mode"), ("RequirementPreparer", "Preparer")])
def test_future_pip_without_the_hook_refuses_editables_alone(
    make_overlay: MakeOverlay, tmp_path: Path, old: str, new: str
) -> None:
    overlay = make_overlay(NEWEST, copy_with_other_name(tmp_path, old, new))
    project, regular = overlay.project("declared"), overlay.project("regular")
    overlay.declare(project)

    result = overlay.pip("install", "-e", project.folder)

    assert result.code == 1
    (line,) = [line for line in result.err.splitlines() if line.startswith("ERROR:")]
    assert "pip {}".format(".".join(map(str, overlay.pip_version))) in line
    assert "pip install -U devpy-runner" in line
    assert not project.was_touched
    assert overlay.pip("install", regular.folder).code == 0


def test_hook_is_enough_where_pip_gathers_requests_elsewhere(make_overlay: MakeOverlay, tmp_path: Path) -> None:
    overlay = make_overlay(NEWEST, copy_with_other_name(tmp_path, "get_requirements", "gather_requirements"))
    project = overlay.project("undeclared")

    assert_refused(overlay.pip("install", "-e", project.folder), project, overlay)
