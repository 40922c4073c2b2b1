"""The guard in front of real pips: every way of asking for an editable, from pip 20.3 to the newest.

By default the oldest and the newest pip see every form, and those between them a few: `DEVPY_FULL_MATRIX=1` lets every
pip see every form.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from urllib.parse import quote

import pytest
from virtualenv import cli_run

from devpy_virtualenv_plugin import layout

from .commands import Result, clean_environ, run
from .environments import CondaEnvironment, MakeCondaEnv

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
    """An overlay on a base that holds pip and setuptools, governed by the devpy.toml beside it."""

    root: Path
    base: CondaEnvironment
    environ: dict[str, str]

    @property
    def python(self) -> Path:
        return self.root / ".venv" / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return self.root / ".venv" / self.base.site_packages.relative_to(self.base.prefix)

    @property
    def config(self) -> Path:
        return self.root / "devpy.toml"

    @property
    def pip_version(self) -> tuple[int, ...]:
        info = next(self.base.site_packages.glob("pip-*.dist-info")).name
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
        base = f'[python]\nbase_conda_env = "{self.base.prefix}"\n'
        self.config.write_text(f"{base}[editables]\npackages = {packages!r}\n")

    def run(self, *args: str | Path, cwd: Path | None = None, **environ: str) -> Result:
        """Run the overlay's Python."""
        return run([self.python, *args], cwd=cwd or self.root, environ={**self.environ, **environ})

    def pip(self, *args: str | Path, cwd: Path | None = None, **environ: str) -> Result:
        return self.run("-m", "pip", *args, cwd=cwd, **environ)

    def can_import(self, project: Project) -> bool:
        return self.run("-I", "-c", f"import {project.name}").code == 0

    def installed(self) -> list[str]:
        return sorted(path.name for path in self.site_packages.iterdir() if path.name != "__pycache__")


MakeOverlay = Callable[..., Overlay]


@pytest.fixture(scope="module")
def make_overlay(
    tmp_path_factory: pytest.TempPathFactory, pip_cache: Path, make_conda_env: MakeCondaEnv
) -> MakeOverlay:
    """Make an overlay on a base with the given pip; if that is to have a `sitecustomize`, on a clone of it."""
    environ = clean_environ(tmp_path_factory.mktemp("home"), pip_cache)
    app_data = str(tmp_path_factory.mktemp("app-data"))
    for_virtualenv = {**environ, "VIRTUALENV_CONFIG_FILE": os.devnull, "VIRTUALENV_OVERRIDE_APP_DATA": app_data}
    isolated = {**environ, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    one_at_a_time = Lock()

    def make(pip: str, base_sitecustomize: str | None = None) -> Overlay:
        with one_at_a_time:
            base = make_base(pip, make_conda_env)
            root = tmp_path_factory.mktemp("worktree").resolve()
            if base_sitecustomize is not None:
                base = make_conda_env.clone(base, f"customized-{root.name}")
                (base.site_packages / "sitecustomize.py").write_text(base_sitecustomize)
            overlay = Overlay(root, base, isolated)
            overlay.declare()
            options = ["--creator", "devpy", "--discovery", "builtin", "--python", str(base.python)]
            cli_run([*options, str(root / ".venv")], setup_logging=False, env=for_virtualenv)
        return overlay

    return make


def make_base(pip: str, make_conda_env: MakeCondaEnv) -> CondaEnvironment:
    requirement = "pip" if pip == NEWEST else f"pip=={pip}"
    return make_conda_env(f"pip-{pip}", python=PYTHON_OF_PIP[pip], packages=[requirement, "setuptools==75.3.0"])


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
    path.parent.mkdir(exist_ok=True)
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
        command: list[str | Path] = [overlay.root / ".venv" / "bin" / name, "install", "-e", project.folder]
        return run(command, cwd=overlay.root, environ=overlay.environ)

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


def config_of_overlay(overlay: Overlay, project: Project) -> Result:
    write(overlay, ".venv/pip.conf", f"[install]\neditable = {project.folder}\n")
    environ = {name: value for name, value in overlay.environ.items() if name != "PIP_CONFIG_FILE"}
    return run([overlay.python, "-m", "pip", "install"], cwd=overlay.root, environ=environ)


def pylock(overlay: Overlay, project: Project) -> Result:
    folder = overlay.root / f"lock-{project.name}"
    folder.mkdir()
    (folder / "pylock.toml").write_text(
        f'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "{project.name.replace("_", "-")}"\n'
        f'directory = {{ path = "{project.folder}", editable = true }}\n'
    )
    return overlay.pip("install", "-r", folder / "pylock.toml")


def outer_pip(overlay: Overlay, project: Project) -> Result:
    command: list[str | Path] = [overlay.base.python, "-m", "pip", "--python", overlay.python]
    return run([*command, "install", "-e", project.folder], cwd=overlay.root, environ=overlay.environ)


def folder_of_pip(overlay: Overlay, project: Project) -> Result:
    return overlay.run(overlay.base.site_packages / "pip", "install", "-e", project.folder)


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
    "-r in another folder": Form(requirements("-e {path.name}\n", "w/{name}.txt")),
    "-r URL": Form(requirements("-e {url}#egg={name}\n")),
    "-r nested": Form(nested_requirements),
    "PIP_REQUIREMENT": Form(requirements_variable, since=(22, 0)),
    "PIP_EDITABLE": Form(editable_variable),
    "pip.conf": Form(config_file),
    ".venv/pip.conf": Form(config_of_overlay),
    "pylock.toml": Form(pylock, since=(26, 3)),
    "bin/pip": Form(script("pip")),
    "bin/pip3": Form(script("pip3")),
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
    "install PATH": Control(("install", "{path}"), makes="{site}/{name}.py"),
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

FEW = ["-e .", "-r nested", "install PATH", "wheel -e"]


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
    made = control.makes.format(name=seen.project.name, site=seen.overlay.site_packages)
    assert (seen.overlay.root / made).exists()
    assert (seen.overlay.base.site_packages / "pip" / "__init__.py").exists()


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
@pytest.mark.bounds
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
    (overlay.site_packages / layout.bridge(str(overlay.site_packages))).unlink()
    (overlay.site_packages / "~devpy.pth").write_text(f"{overlay.base.site_packages}\n")


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


def test_next_sitecustomize_runs_as_itself(make_overlay: MakeOverlay) -> None:
    overlay = make_overlay(NEWEST, base_sitecustomize="MARK = __name__")
    next_one = overlay.base.site_packages / "sitecustomize.py"
    project = overlay.project("undeclared")

    result = overlay.run("-c", "import sitecustomize as s; print(s.MARK, s.__file__, s.__spec__.origin)")

    assert result.out.split() == ["sitecustomize", str(next_one), str(next_one)]
    assert result.err == ""
    assert_refused(overlay.pip("install", "-e", project.folder), project, overlay)


def test_error_in_the_next_sitecustomize_is_reported_as_site_does(make_overlay: MakeOverlay) -> None:
    overlay = make_overlay(NEWEST, base_sitecustomize="1 / 0")
    guarded = overlay.run("-c", "print('started')")
    no_sitecustomize(overlay)
    unguarded = overlay.run("-c", "print('started')")

    assert guarded == unguarded
    assert guarded.out == "started\n"
    assert "ZeroDivisionError" in guarded.err


# What the guard relies on is missing or broken.


@pytest.mark.parametrize("name", ["__init__.pyc", "rest.zip"])
@pytest.mark.parametrize("part", [0, 0.5], ids=["empty", "half-written"])
def test_broken_guard_lets_python_start_and_no_editable_in(overlay: Overlay, name: str, part: float) -> None:
    compiled = overlay.site_packages / "_devpy_guard" / name
    content = compiled.read_bytes()
    compiled.write_bytes(content[: int(len(content) * part)])
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


def upgrade_pip(overlay: Overlay, old: str, new: str) -> None:
    """Give the overlay a pip of its own, which calls something by another name than the base's."""
    for folder in overlay.base.site_packages.glob("pip*"):
        shutil.copytree(folder, overlay.site_packages / folder.name)
    for file in (overlay.site_packages / "pip" / "_internal").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if old in text:
            file.write_text(text.replace(old, new), encoding="utf-8")


HOOK = "prepare_editable_requirement"


@pytest.mark.parametrize(("old", "new"), [(HOOK, "prepare_development_mode"), ("RequirementPreparer", "Preparer")])
def test_future_pip_without_the_hook_refuses_editables_alone(overlay: Overlay, old: str, new: str) -> None:
    upgrade_pip(overlay, old, new)
    project, regular = overlay.project("declared"), overlay.project("regular")
    overlay.declare(project)

    result = overlay.pip("install", "-e", project.folder)

    assert result.code == 1
    (line,) = [line for line in result.err.splitlines() if line.startswith("ERROR:")]
    assert "pip {}".format(".".join(map(str, overlay.pip_version))) in line
    assert "pip install -U devpy-runner" in line
    assert not project.was_touched
    assert overlay.pip("install", regular.folder).code == 0


def test_hook_is_enough_where_pip_gathers_requests_elsewhere(overlay: Overlay) -> None:
    upgrade_pip(overlay, "get_requirements", "gather_requirements")
    project = overlay.project("undeclared")

    assert_refused(overlay.pip("install", "-e", project.folder), project, overlay)
