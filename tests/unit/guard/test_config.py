from __future__ import annotations

import os
from pathlib import Path

import pytest

from devpy_pip_guard.config import Config, check_editables, load, load_repository
from devpy_pip_guard.errors import DevpyError

pytestmark = pytest.mark.bounds

MINIMAL = '[python]\nbase_conda_env = "shared"\n'


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(path: str) -> DevpyError:
    with pytest.raises(DevpyError) as caught:
        load_repository(path)
    assert "\n" not in caught.value.problem
    return caught.value


def test_the_smallest_config_has_defaults(tmp_path: Path) -> None:
    file = write(tmp_path / "devpy.toml", MINIMAL)
    assert load_repository(file) == Config(
        entry=file,
        file=file,
        is_stack=False,
        base="shared",
        venv=str(tmp_path / ".venv"),
        editables=[],
        declared=[],
        install_deps=False,
        installer="devpy",
        env={},
        skipped_checks=[],
    )


def test_everything_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    text = """
        [python]
        base_conda_env = "~/envs/torch"
        venv = "build/overlay"
        [editables]
        packages = [".", "../sibling", "~/canonical", "/opt/absolute"]
        install_deps = true
        [env]
        ISAACLAB_PATH = "{root}"
        EMPTY = ""
    """
    config = load_repository(write(tmp_path / "repo" / "devpy.toml", text))
    assert config.base == str(tmp_path / "home/envs/torch")
    assert config.venv == str(tmp_path / "repo/build/overlay")
    assert config.editables == [
        str(tmp_path / "repo"),
        str(tmp_path / "sibling"),
        str(tmp_path / "home/canonical"),
        "/opt/absolute",
    ]
    assert config.install_deps
    assert config.env == {"ISAACLAB_PATH": "{root}", "EMPTY": ""}


def test_a_relative_prefix_starts_from_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "repo" / "devpy.toml", '[python]\nbase_conda_env = "../envs/a"\n')
    assert load_repository(file).base == str(tmp_path / "envs/a")


@pytest.mark.parametrize(
    ("text", "problem", "mend"),
    [
        ("[editable]\npackages = ['.']", "[editable]: unknown", "did you mean [editables]?"),
        ("base_conda_env = 'x'", "base_conda_env: unknown", "did you mean python.base_conda_env?"),
        ("[python]\nbase_conda_environment = 'x'", "python.base_conda_environment: unknown key", "base_conda_env?"),
        ("[editables]\nvenv = 'x'", "editables.venv: unknown key", "did you mean python.venv?"),
        ("[zzz]\nqqq = 1", "[zzz]: unknown", "known are"),
        ("python = 5", "python = 5 is not a table", "write [python]"),
        ("[python]\nvenv = '.venv'", "python.base_conda_env: missing", "conda env list"),
        ("", "python.base_conda_env: missing", "conda env list"),
        ("[python]\nbase_conda_env = ''", 'python.base_conda_env = "" is empty', "value"),
        ("[python]\nbase_conda_env = '  '", "is empty", "value"),
        ("[python]\nbase_conda_env = 3", "python.base_conda_env = 3 is not a string", "string"),
        ("[python]\nbase_conda_env = '..'", "is not a name", "../"),
        ('[python]\nbase_conda_env = "a\\u0000b"', "holds a NUL character", "remove"),
        (MINIMAL + "venv = ''", 'python.venv = "" is empty', "value"),
        (MINIMAL + "venv = '.'", 'python.venv = "." is not strictly inside', ".venv"),
        (MINIMAL + "venv = '..'", "is not strictly inside", ".venv"),
        (MINIMAL + "venv = 'a/../..'", "is not strictly inside", ".venv"),
        (MINIMAL + "venv = '/'", "is not strictly inside", ".venv"),
        (MINIMAL + "venv = '/tmp/elsewhere'", "is not strictly inside", ".venv"),
        (MINIMAL + "venv = '.git'", "is part of a .git directory", ".venv"),
        (MINIMAL + "venv = '.git/venv'", "is part of a .git directory", ".venv"),
        (MINIMAL + "venv = 'sub/.GIT/venv'", "is part of a .git directory", ".venv"),
        (MINIMAL + "[editables]\npackages = '.'", 'editables.packages = "." is not a list', "list"),
        (MINIMAL + "[editables]\npackages = [1]", "editables.packages = 1 is not a string", "strings"),
        (MINIMAL + "[editables]\npackages = ['']", 'editables.packages = "" is empty', "remove"),
        (MINIMAL + "[editables]\npackages = ['.', './']", 'packages = "./" is declared twice', "remove one"),
        (MINIMAL + "[editables]\ninstall_deps = 'yes'", 'install_deps = "yes" is not true or false', "true or false"),
        (MINIMAL + "[env]\nA = 1", "env.A = 1 is not a string", "quotes"),
        (MINIMAL + "[env]\n'A=B' = 'x'", 'env = "A=B" is not the name of a variable', "letters"),
        (MINIMAL + "[env]\n'' = 'x'", 'env = "" is not the name of a variable', "letters"),
        ('[devpy]\nkind = "stack"\n' + MINIMAL, 'devpy.kind = "stack" has no place', "extends"),
        ('[devpy]\nkind = "flock"\n' + MINIMAL, 'devpy.kind = "flock" is unknown', "stack"),
        ("[python\n", "(at line 1, column 8)", "TOML"),
        ('x = "a\nb"', "line 1", "TOML"),
        ('[python]\nvenv = "a\\nb"\nbase_conda_env = 1', "is not a string", "string"),
    ],
)
def test_each_mistake_has_its_message(tmp_path: Path, text: str, problem: str, mend: str) -> None:
    file = write(tmp_path / "devpy.toml", text)
    error = refusal(file)
    assert error.problem.startswith(f"{file}: ")
    assert problem in error.problem
    assert mend in error.mend


def test_a_missing_file_shows_a_template_that_works(tmp_path: Path) -> None:
    file = str(tmp_path / "devpy.toml")
    error = refusal(file)
    assert error.problem == f"missing {file}"
    template = "\n".join(line.strip() for line in error.mend.splitlines()[1:])
    assert load_repository(write(tmp_path / "devpy.toml", template)).editables == [str(tmp_path)]


def test_what_is_not_a_readable_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "not a regular file" in refusal(str(tmp_path / "folder")).problem
    os.mkfifo(tmp_path / "fifo")
    assert "not a regular file" in refusal(str(tmp_path / "fifo")).problem
    (tmp_path / "latin").write_bytes(b'[python]\nbase_conda_env = "\xe9"\n')
    assert "not UTF-8 at byte 27" in refusal(str(tmp_path / "latin")).problem
    write(tmp_path / "deep", "x = " + "[" * 100_000)
    assert str(tmp_path / "deep") in refusal(str(tmp_path / "deep")).problem


def test_venv_may_not_leave_through_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/link").symlink_to(tmp_path / "outside")
    file = write(tmp_path / "repo/devpy.toml", MINIMAL + "venv = 'link/venv'")
    assert "is not strictly inside" in refusal(file).problem
    write(tmp_path / "repo/devpy.toml", MINIMAL + "venv = 'link'")
    assert "is not strictly inside" in refusal(file).problem


def test_venv_may_be_absolute_inside(tmp_path: Path) -> None:
    file = write(tmp_path / "devpy.toml", MINIMAL + f"venv = '{tmp_path}/x/../.overlay'")
    assert load_repository(file).venv == str(tmp_path / ".overlay")


def test_editables_are_real_paths(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    file = write(tmp_path / "devpy.toml", MINIMAL + "[editables]\npackages = ['link']")
    assert load_repository(file).editables == [str(tmp_path / "real")]
    write(tmp_path / "devpy.toml", MINIMAL + "[editables]\npackages = ['link', 'real']")
    assert "declared twice" in refusal(file).problem


def test_a_pointer_leads_to_its_stack(tmp_path: Path) -> None:
    stack = write(
        tmp_path / "stack.toml",
        '[devpy]\nkind = "stack"\n[python]\nbase_conda_env = "b"\nvenv = ".devpy/b/.venv"\n'
        '[editables]\npackages = ["api"]',
    )
    entry = write(tmp_path / "api/devpy.toml", '[devpy]\nextends = "../stack.toml"\n')
    config = load_repository(entry)
    assert (config.entry, config.file, config.is_stack) == (entry, stack, True)
    assert config.root == str(tmp_path)
    assert config.venv == str(tmp_path / ".devpy/b/.venv")
    assert config.editables == [str(tmp_path / "api")]
    assert load(stack).editables == config.editables  # as the guard reads it


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("devpy.toml", "points to itself"),
        ("..", "is a directory"),
        ("nothing.toml", "does not exist"),
        ("../pointer.toml", "points to another pointer"),
        ("../plain.toml", "is not a stack config"),
        ("", "is empty"),
    ],
)
def test_a_pointer_must_lead_to_a_stack(tmp_path: Path, target: str, problem: str) -> None:
    write(tmp_path / "pointer.toml", '[devpy]\nextends = "repo/devpy.toml"')
    write(tmp_path / "plain.toml", MINIMAL)
    entry = write(tmp_path / "repo/devpy.toml", f'[devpy]\nextends = "{target}"\n')
    error = refusal(entry)
    assert f'devpy.extends = "{target}" {problem}' in error.problem


@pytest.mark.parametrize("addition", ['kind = "stack"', MINIMAL, "[env]\nA = 'b'"])
def test_a_pointer_holds_nothing_else(tmp_path: Path, addition: str) -> None:
    write(tmp_path / "stack.toml", '[devpy]\nkind = "stack"\n' + MINIMAL)
    entry = write(tmp_path / "repo/devpy.toml", f'[devpy]\nextends = "../stack.toml"\n{addition}\n')
    assert "has no place beside devpy.extends" in refusal(entry).problem


def test_a_mistake_in_the_stack_names_the_stack(tmp_path: Path) -> None:
    stack = write(tmp_path / "stack.toml", '[devpy]\nkind = "stack"\n')
    entry = write(tmp_path / "repo/devpy.toml", '[devpy]\nextends = "../stack.toml"\n')
    assert refusal(entry).problem == f"{stack}: python.base_conda_env: missing"


def test_editables_must_be_installable(tmp_path: Path) -> None:
    config = load(write(tmp_path / "devpy.toml", MINIMAL + "[editables]\npackages = ['a']"))
    with pytest.raises(DevpyError, match='a" is not a directory'):
        check_editables(config)
    (tmp_path / "a").mkdir()
    with pytest.raises(DevpyError, match=r"has neither pyproject\.toml nor setup\.py"):
        check_editables(config)
    (tmp_path / "a/setup.py").touch()
    check_editables(config)


def test_all_editables_that_are_missing_are_named(tmp_path: Path) -> None:
    config = load(write(tmp_path / "devpy.toml", MINIMAL + "[editables]\npackages = ['a', 'b', 'c']"))
    for name in ("b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "c/setup.py").touch()
    with pytest.raises(DevpyError) as caught:
        check_editables(config)
    assert caught.value.problem == (
        f"{tmp_path}/devpy.toml: editables.packages: 2 of 3 cannot be installed: "
        f'"{tmp_path}/a" is not a directory; "{tmp_path}/b" has neither pyproject.toml nor setup.py'
    )
    assert "devpy update-editables --missing=warn" in caught.value.mend
