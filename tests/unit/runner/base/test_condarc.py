from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devpy_pip_guard.errors import DevpyError
from devpy_runner.activate.activation import CondaSettings
from devpy_runner.base import condarc, installations
from devpy_runner.base.condarc import read_settings

pytestmark = pytest.mark.bounds


class Machine:
    """A home, a conda install and the caller's variables, all below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.environ = {"HOME": str(self.home), "PATH": "/usr/bin:/bin"}

    def write(self, path: str, content: str | bytes = "") -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def install(self, path: str) -> str:
        """Make a conda install whose `conda` starts with its own Python, and return its prefix."""
        prefix = self.folder / path
        self.write(f"{path}/conda-meta/history")
        self.write(f"{path}/bin/python")
        for place in ("bin", "condabin"):
            self.write(f"{path}/{place}/conda", f"#!{prefix}/bin/python\n").chmod(0o755)
        return str(prefix)

    def settings(self, **variables: str) -> CondaSettings:
        return read_settings({**self.environ, **variables})

    def envs_dirs(self, **variables: str) -> list[str]:
        """Return the configured envs_dirs, without the default one that is there when no conda is known."""
        *configured, default = self.settings(**variables).envs_dirs
        assert default == str(self.home / ".conda/envs")
        return configured

    def root(self, **variables: str) -> str | None:
        return read_settings({**self.environ, **variables}).root_prefix

    def error(self, **variables: str) -> DevpyError:
        with pytest.raises(DevpyError) as caught:
            self.settings(**variables)
        return caught.value


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(condarc, "_SYSTEM_FOLDERS", (str(tmp_path / "etc/conda"), str(tmp_path / "var/lib/conda")))
    monkeypatch.setattr(installations, "_USUAL_ROOTS", ("~/miniforge3", str(tmp_path / "opt/conda")))
    return Machine(tmp_path)


# Where conda is installed


def test_no_conda_at_all(machine: Machine) -> None:
    settings = machine.settings()
    assert settings.root_prefix is None
    assert settings.envs_dirs == [str(machine.home / ".conda/envs")]
    assert (settings.changeps1, settings.envvars_force_uppercase) == (True, True)
    assert (settings.env_prompt, settings.auto_stack) == ("({default_env}) ", 0)


def test_places_of_the_root_prefix_in_their_order(machine: Machine) -> None:
    """Each place is taken away in turn; the next one then counts."""
    configured, exe, variable, on_path, active, mamba, usual = (
        machine.install(name) for name in ("configured", "exe", "variable", "on_path", "active", "mamba", "opt/conda")
    )
    variables = {
        "CONDA_ROOT_PREFIX": configured,
        "CONDA_EXE": f"{exe}/bin/conda",
        "_CONDA_ROOT": variable,
        "PATH": f"/usr/bin:{on_path}/condabin",
        "CONDA_PREFIX": active,
        "MAMBA_ROOT_PREFIX": mamba,
    }
    for name, expected in zip(list(variables), (configured, exe, variable, on_path, active, mamba)):
        assert machine.root(**variables) == expected
        del variables[name]
    assert machine.root() == usual


def test_a_configured_root_prefix_beats_the_install(machine: Machine) -> None:
    exe = machine.install("conda") + "/bin/conda"
    machine.write("home/.condarc", "root_prefix: ~/roots/mine\n")
    assert machine.root(CONDA_EXE=exe) == str(machine.home / "roots/mine")
    assert machine.root(CONDA_EXE=exe, CONDA_ROOT_PREFIX="/elsewhere/") == "/elsewhere"


def test_the_old_name_of_root_prefix(machine: Machine) -> None:
    machine.write("home/.condarc", "root_dir: /old/name\n")
    assert machine.root() == "/old/name"


def test_a_stale_conda_exe_is_passed_over(machine: Machine) -> None:
    usual = machine.install("home/miniforge3")
    assert machine.root(CONDA_EXE=str(machine.folder / "gone/bin/conda"), _CONDA_ROOT="/gone") == usual


def test_the_python_of_the_first_line_tells_the_prefix(machine: Machine) -> None:
    prefix = machine.install("conda")
    link = machine.folder / "bin/conda"
    link.parent.mkdir()
    link.symlink_to(f"{prefix}/bin/conda")
    copy = machine.write("copies/conda", f"#!{prefix}/bin/python\n")
    copy.chmod(0o755)
    assert machine.root(PATH=str(link.parent)) == prefix
    assert machine.root(CONDA_EXE=str(copy)) == prefix


@pytest.mark.parametrize("first_line", ["#!/usr/bin/env python", "#!/bin/sh", "\x7fELF", "", "#!/gone/bin/python"])
def test_a_conda_whose_first_line_tells_nothing(machine: Machine, first_line: str) -> None:
    """Such are conda's scripts in prefixes with long names or spaces, and its binaries."""
    prefix = machine.install("long name")
    machine.write("long name/bin/conda", first_line + "\n")
    link = machine.folder / "bin/conda"
    link.parent.mkdir()
    link.symlink_to("../long name/bin/conda")
    assert machine.root(PATH=str(link.parent)) == prefix


def test_a_symlink_in_the_path_of_the_prefix_is_kept(machine: Machine) -> None:
    prefix = machine.install("disk/conda")
    (machine.folder / "conda").symlink_to(prefix)
    assert machine.root(CONDA_EXE=str(machine.folder / "conda/bin/conda")) == prefix  # as the first line says
    machine.write("disk/conda/bin/conda", "#!/bin/sh\n")
    assert machine.root(CONDA_EXE=str(machine.folder / "conda/bin/conda")) == str(machine.folder / "conda")


def test_what_is_called_conda_on_path_and_is_none(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine.write("pyenv/shims/conda", "#!/usr/bin/env bash\n").chmod(0o755)
    machine.install("notes")
    machine.write("notes/bin/conda").chmod(0o644)
    (machine.folder / "folder/conda").mkdir(parents=True)
    machine.install("cwd")
    monkeypatch.chdir(tmp_path / "cwd/bin")
    path = ":".join(str(machine.folder / name) for name in ("pyenv/shims", "notes/bin", "folder"))
    assert machine.root(PATH=f"{path}::.") is None
    prefix = machine.install("real")
    assert machine.root(PATH=f"{path}::.:{prefix}/bin") == prefix


def test_root_of_the_active_environment(machine: Machine) -> None:
    prefix = machine.install("conda")
    assert machine.root(CONDA_PREFIX=f"{prefix}/envs/torch") == prefix
    assert machine.root(CONDA_PREFIX=f"{prefix}/other/torch") is None


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".bashrc", "__conda_setup=\"$('{}/bin/conda' 'shell.bash' 'hook' 2> /dev/null)\"\n"),
        (".zshrc", "__conda_setup=\"$('{}/bin/conda' 'shell.zsh' 'hook' 2> /dev/null)\"\n"),
        (
            ".config/fish/config.fish",
            'if test -f {0}/bin/conda\n    eval "{0}/bin/conda" "shell.fish" $argv | source\n',
        ),
    ],
)
@pytest.mark.parametrize("mark", ["# >>> conda initialize >>>", "# >>> mamba initialize >>>", "# mine"])
def test_an_installation_that_a_shell_was_initialized_for(machine: Machine, file: str, text: str, mark: str) -> None:
    prefix = machine.install("somewhere" if "fish" in file else "some where")
    machine.write(f"home/{file}", f"# before\n{mark}\n{text.format(prefix)}# <<< conda initialize <<<\n")
    assert machine.root() == (prefix if "initialize" in mark else None)


def test_initialized_for_a_mamba(machine: Machine) -> None:
    (machine.folder / "mamba" / "envs").mkdir(parents=True)
    lines = (
        f"export MAMBA_EXE='{machine.folder}/mamba/bin/micromamba';\nexport MAMBA_ROOT_PREFIX='{machine.folder}/mamba';"
    )
    machine.write("home/.bashrc", f"# >>> mamba initialize >>>\n{lines}\n# <<< mamba initialize <<<\n")
    assert machine.root() == str(machine.folder / "mamba")


def test_a_wrapper_around_conda(machine: Machine) -> None:
    prefix = machine.install("opt/mine")
    machine.write("usr/bin/conda", f"#!/bin/sh\n# not /gone/bin/conda\nexec '{prefix}/bin/conda' \"$@\"\n").chmod(0o755)
    assert machine.root(PATH=f"{machine.folder}/usr/bin") == prefix
    assert machine.root(CONDA_EXE=f"{machine.folder}/usr/bin/conda") == prefix


def test_a_wrapper_around_condabin(machine: Machine) -> None:
    prefix = machine.install("opt/mine")
    machine.write("usr/bin/conda", f'#!/bin/sh\nexec {prefix}/condabin/conda "$@"\n').chmod(0o755)
    assert machine.root(PATH=f"{machine.folder}/usr/bin") == prefix


def test_the_current_folder_is_no_installation(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even for a user without a home."""
    machine.install("cwd")
    monkeypatch.chdir(machine.folder / "cwd")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert read_settings({"PATH": "/nowhere"}).root_prefix is None


def test_the_mamba_that_a_shell_uses(machine: Machine) -> None:
    prefix = machine.install("opt/mine")
    machine.write("opt/mine/bin/mamba").chmod(0o755)
    assert machine.root(MAMBA_EXE=f"{prefix}/bin/mamba") == prefix
    assert machine.root(MAMBA_EXE="/gone/bin/mamba") is None


def test_micromamba_root_without_a_base(machine: Machine) -> None:
    (machine.home / "miniforge3/envs").mkdir(parents=True)
    assert machine.root() == str(machine.home / "miniforge3")
    (machine.home / "mamba").mkdir()
    assert machine.root(MAMBA_ROOT_PREFIX=str(machine.home / "mamba")) == str(machine.home / "mamba")


# The folders of environments


def test_default_envs_dirs_swap_when_base_is_not_writable(machine: Machine) -> None:
    prefix = machine.install("conda")
    exe, users_envs, root_envs = f"{prefix}/bin/conda", str(machine.home / ".conda/envs"), f"{prefix}/envs"
    assert machine.settings(CONDA_EXE=exe).envs_dirs == [root_envs, users_envs]
    (machine.folder / "conda/conda-meta/history").unlink()
    assert machine.settings(CONDA_EXE=exe).envs_dirs == [users_envs, root_envs]


def test_default_envs_dirs_swap_when_history_is_read_only(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = machine.install("conda")
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)  # root may write to any file
    settings = machine.settings(CONDA_EXE=f"{prefix}/bin/conda")
    assert settings.envs_dirs == [str(machine.home / ".conda/envs"), f"{prefix}/envs"]


@pytest.mark.parametrize("variable", ["CONDA_ENVS_DIRS", "CONDA_ENVS_PATH"])
def test_envs_dirs_from_a_variable_come_first(machine: Machine, variable: str) -> None:
    machine.write("home/.condarc", "envs_dirs: [/from/file]\n")
    assert machine.envs_dirs(**{variable: " /a : ~/b::/a"}) == ["/a", str(machine.home / "b"), "/from/file"]


def test_paths_are_expanded(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    machine.write(
        "home/.condarc", "envs_dirs:\n- $DISK/a\n- $DISKé\n- ${DISK}b\n- $UNSET/c\n- rel/../d\n- '~'\n- /disk/a/\n"
    )
    expected = ["/disk/a", "/diské", "/diskb", f"{tmp_path}/$UNSET/c", f"{tmp_path}/d", str(machine.home)]
    assert machine.envs_dirs(DISK="/disk") == expected


def test_every_condarc_in_order(machine: Machine) -> None:
    """The last of these files is the most important; each has its own folder first and a prompt."""
    exe = machine.install("conda") + "/bin/conda"
    files = [
        *(f"{folder}/{name}" for folder in ("etc/conda", "var/lib/conda") for name in (".condarc", "condarc")),
        "var/lib/conda/condarc.d/a.yml",
        "var/lib/conda/condarc.d/b.yaml",
        *(f"conda/{name}" for name in (".condarc", "condarc", "condarc.d/x.yml")),
        *(f"xdg/conda/{name}" for name in (".condarc", "condarc", "condarc.d/x.yml")),
        *(f"home/.config/conda/{name}" for name in (".condarc", "condarc", "condarc.d/x.yml")),
        *(f"home/.conda/{name}" for name in (".condarc", "condarc", "condarc.d/x.yml")),
        "home/.condarc",
        *(f"active/{name}" for name in (".condarc", "condarc", "condarc.d/x.yml")),
        "named.yml",
    ]
    for number, file in enumerate(files):
        machine.write(file, f"envs_dirs:\n  - /{number}\nenv_prompt: '{number}'\n")
    machine.write("home/.conda/condarc.d/notes.txt", "envs_dirs: [/not/a/condarc]\n")
    settings = machine.settings(
        CONDA_EXE=exe,
        XDG_CONFIG_HOME=str(machine.folder / "xdg"),
        CONDA_PREFIX=str(machine.folder / "active"),
        CONDARC=str(machine.folder / "named.yml"),
    )
    assert settings.envs_dirs[:-2] == [f"/{number}" for number in reversed(range(len(files)))]
    assert settings.env_prompt == str(len(files) - 1)


def test_conda_root_replaces_the_install_as_a_place_of_condarc(machine: Machine) -> None:
    exe = machine.install("conda") + "/bin/conda"
    machine.write("conda/.condarc", "changeps1: false\n")
    assert not machine.settings(CONDA_EXE=exe).changeps1
    assert machine.settings(CONDA_EXE=exe, CONDA_ROOT=str(machine.folder / "other")).changeps1


def test_the_file_that_condarc_names(machine: Machine) -> None:
    for name in ("condarc", ".condarc", "x.yml", "x.yaml", "folder/y.yml"):
        machine.write(f"named/{name}", f"envs_dirs: [/{name}]\n")
        assert machine.envs_dirs(CONDARC=str(machine.folder / "named" / name)) == [f"/{name}"]
    assert machine.envs_dirs(CONDARC=str(machine.folder / "named/folder")) == ["/folder/y.yml"]
    settings_file = machine.write("named/settings.txt", "envs_dirs: [/x]\n")
    assert machine.envs_dirs(CONDARC=str(settings_file)) == []


def test_a_file_that_two_places_name_counts_at_the_first(machine: Machine) -> None:
    exe = machine.install("conda") + "/bin/conda"
    machine.write("conda/.condarc", "env_prompt: root\n")
    machine.write("home/.condarc", "env_prompt: user\n")
    assert machine.settings(CONDA_EXE=exe, CONDA_PREFIX=str(machine.folder / "conda")).env_prompt == "user"


# conda's flags


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("\n- /a\n- /b", "\n- /c", ["/c", "/a", "/b"]),
        ("\n- /a\n- /b #!top", "\n- /c", ["/b", "/c", "/a"]),
        ("\n- /a  #!top", "\n- /b  #!top", ["/a", "/b"]),
        ("\n- /a", "\n- /b #!bottom\n- /c", ["/c", "/a", "/b"]),
        ("\n- /a #!bottom", "\n- /b #!bottom\n- /c", ["/c", "/b", "/a"]),
        ("  #!final\n- /a", "\n- /b", ["/a"]),
        (" [/a, /b] #!final", "\n- /c", ["/a", "/b"]),
        ("\n- /a", "  #!final\n- /b", ["/b", "/a"]),
        ("\n- '/a #!top'\n- /é  #!top", "\n- /c", ["/é", "/c", "/a #!top"]),
        ("\n- /a # !top\n- /b # the big disk", "\n- /c", ["/c", "/a", "/b"]),
        ("\r\n- /a\r\n- /b #!top", "\r\n- /c", ["/b", "/c", "/a"]),
        (" ~", "\n- /c", ["/c"]),
        ("", " []", []),
    ],
)
def test_flags_of_lists(machine: Machine, low: str, high: str, expected: list[str]) -> None:
    machine.write("etc/conda/condarc", f"channels: [x]\nenvs_dirs:{low}\n")
    machine.write("home/.condarc", f"envs_path:{high}\nchannels: [x]\n")
    assert machine.envs_dirs() == expected


def test_final_beats_more_important_files_and_variables(machine: Machine) -> None:
    machine.write("etc/conda/condarc", "changeps1: false  #!final\nenv_prompt: '#!final'\n")
    machine.write("home/.condarc", "changeps1: true\nenv_prompt: mine\n")
    settings = machine.settings(CONDA_CHANGEPS1="true")
    assert (settings.changeps1, settings.env_prompt) == (False, "mine")


# The other settings


@pytest.mark.parametrize("value", ["true", "yes", "on", "y", "True", "1", "0.5", "'yes'"])
def test_true(machine: Machine, value: str) -> None:
    machine.write("home/.condarc", f"changeps1: {value}\nenvvars_force_uppercase: {value}\n")
    settings = machine.settings()
    assert settings.changeps1
    assert settings.envvars_force_uppercase


@pytest.mark.parametrize("value", ["false", "off", "n", "no", "non", "none", "", "~", "0", "0.0", "'FALSE'", '""'])
def test_false(machine: Machine, value: str) -> None:
    machine.write("home/.condarc", f"changeps1: {value}\nenvvars_force_uppercase: {value}\n")
    settings = machine.settings()
    assert not settings.changeps1
    assert not settings.envvars_force_uppercase


def test_prompt_and_stacking(machine: Machine) -> None:
    machine.write("home/.condarc", "env_prompt: '<{name}> '\nauto_stack: 2\n")
    settings = machine.settings()
    assert (settings.env_prompt, settings.auto_stack) == ("<{name}> ", 2)
    settings = machine.settings(CONDA_ENV_PROMPT=" [{name}] ", CONDA_AUTO_STACK=" 3")
    assert (settings.env_prompt, settings.auto_stack) == ("[{name}]", 3)
    machine.write("home/.condarc", "auto_stack: true\n")
    assert machine.settings().auto_stack == 1
    machine.write("home/.condarc", "env_prompt: '~'\n")
    assert machine.settings().env_prompt == "~"


# What is wrong with a condarc


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("envs_dirs: [/a", "{}:1:15: not valid YAML: "),
        ('envs_dirs: ["\\Uffffffff"]', "{}: not valid YAML"),
        pytest.param("envs_dirs: " + "[" * 2000, "{}: nested too deeply", id="deep"),
        (b"envs_dirs: [/\xff]", "{}: not UTF-8 at byte 13"),
        ("- envs_dirs", "{}: not a mapping"),
        ("envs_dirs: /a", "{}: envs_dirs: not a list"),
        ("envs_dirs: {a: b}", "{}: envs_dirs: not a list"),
        ("envs_dirs: [[/a]]", "{}: envs_dirs: not a list of strings"),
        ('envs_dirs: ["/a\\0"]', "{}: envs_dirs: '/a\\x00' holds a character that no path can"),
        ('envs_dirs: ["/a\\ud800"]', "{}: envs_dirs: '/a\\ud800' holds a character that no path can"),
        ("envs_dirs: []\nenvs_path: []", "{0}: envs_path and {0}: envs_dirs are the same setting"),
        ("changeps1: maybe", "{}: changeps1: 'maybe' is not a boolean"),
        ("changeps1: [true]", "{}: changeps1: not a single value"),
        ("auto_stack: much", "{}: auto_stack: 'much' is not a whole number"),
        ("env_prompt: {a: b}", "{}: env_prompt: not a single value"),
    ],
)
def test_a_broken_condarc_names_file_and_key(machine: Machine, content: str | bytes, problem: str) -> None:
    file = machine.write("home/.condarc", content)
    error = machine.error()
    assert error.problem.startswith(problem.format(file))
    assert "\n" not in str(error.problem) + error.mend


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("envs_dirs:\n\t- /a\n", "{}:2:1: not valid YAML: "),
        ("a: b\nenvs_dirs: /a: b", "{}:2:14: not valid YAML: "),
        ("envs_dirs: \x01", "{}: not valid YAML"),
    ],
)
def test_a_condarc_that_conda_ignores(machine: Machine, content: str, problem: str) -> None:
    """Conda warns of it, and goes on without it."""
    file = machine.write("home/.condarc", content)
    machine.write("home/.conda/.condarc", "envs_dirs: [/mine]\n")
    assert machine.envs_dirs() == ["/mine"]
    (error,) = condarc.ignored(machine.environ)
    assert error.problem.startswith(problem.format(file))


def test_an_unreadable_condarc(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    file = machine.write("home/.condarc", "changeps1: false\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert str(machine.error()) == f"{file}: Permission denied\n  make the file readable"


def test_wrong_variables_are_named(machine: Machine) -> None:
    assert machine.error(CONDA_CHANGEPS1="maybe").problem == "CONDA_CHANGEPS1: 'maybe' is not a boolean"
    assert machine.error(CONDA_AUTO_STACK="").problem == "CONDA_AUTO_STACK: '' is not a whole number"
    error = machine.error(CONDA_ENVS_DIRS="/a", CONDA_ENVS_PATH="/b")
    assert error.problem == "CONDA_ENVS_PATH and CONDA_ENVS_DIRS are the same setting"


@pytest.mark.parametrize("content", ["", "# envs_dirs\n", "channels: [conda-forge", b"channels: \xff\n", "- x"])
def test_a_condarc_that_says_nothing_of_environments_does_not_matter(machine: Machine, content: str | bytes) -> None:
    machine.write("home/.condarc", content)
    assert machine.envs_dirs() == []


def test_what_is_no_file_is_not_read(machine: Machine) -> None:
    os.mkfifo(machine.home / ".condarc")
    (machine.home / ".conda/condarc.d").mkdir(parents=True)
    os.mkfifo(machine.home / ".conda/condarc.d/x.yml")
    assert machine.envs_dirs() == []


@pytest.mark.parametrize(("content", "imported"), [("channels: [x]", False), ("changeps1: no", True)])
def test_yaml_is_imported_only_where_it_is_needed(tmp_path: Path, content: str, imported: bool) -> None:
    file = tmp_path / "condarc"
    file.write_text(content)
    code = (
        "import sys; from devpy_runner.base import condarc, installations;"
        "condarc._SYSTEM_FOLDERS = installations._USUAL_ROOTS = ();"
        f"condarc.read_settings({{'HOME': '/nowhere', 'CONDARC': {str(file)!r}}}); print('yaml' in sys.modules)"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout == f"{imported}\n"
