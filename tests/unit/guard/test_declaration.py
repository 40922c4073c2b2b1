from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from devpy_pip_guard import declaration
from devpy_pip_guard.errors import DevpyError

Declare = Callable[..., Path]


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Write the devpy.toml that governs the overlay in which the guard lies for the time of the test."""
    overlay = tmp_path / "repository" / ".venv"
    overlay.mkdir(parents=True)
    monkeypatch.setattr(declaration, "OVERLAY", str(overlay))
    config = tmp_path.resolve() / "repository" / "devpy.toml"
    (overlay / "pyvenv.cfg").write_text(f"home = /usr/bin\ndevpy-config = {config}\n")

    def write(*packages: str) -> Path:
        config.write_text(f'[python]\nbase_conda_env = "any"\n[editables]\npackages = {list(packages)!r}\n')
        return config

    return write


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "repository" / "package"
    folder.mkdir(parents=True)
    return folder


def test_declared_folder_passes(declare: Declare, package: Path) -> None:
    declare("package")
    declaration.check_path(str(package))


def test_declared_folder_passes_however_it_is_spelled(declare: Declare, package: Path, tmp_path: Path) -> None:
    declare("package")
    (tmp_path / "link").symlink_to(package)
    (tmp_path / "link-to-parent").symlink_to(package.parent)
    for spelling in (
        f"{package}/",
        f"{package}/../package/.",
        f"{tmp_path}/link",
        f"{tmp_path}/link-to-parent/package/",
        os.path.relpath(package),
    ):
        declaration.check_path(spelling)


def test_declaration_through_a_symlink_or_home_counts(
    declare: Declare, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(package)
    monkeypatch.setenv("HOME", str(tmp_path))
    for declared in ("../link", "~/link", str(package)):
        declare(declared)
        declaration.check_path(str(package))


def test_same_folder_under_another_name_is_the_same(
    declare: Declare, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a volume where case does not matter, `realpath` keeps the case that was asked for."""
    declare("package")
    in_capitals = str(package.parent / "PACKAGE")
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **kwargs: stat(package if path == in_capitals else path, **kwargs))
    declaration.check_path(in_capitals)


@pytest.mark.parametrize("asked_for", ["", "package/src", "package-2", "Package", "missing"])
def test_only_the_declared_folder_itself_passes(declare: Declare, package: Path, asked_for: str) -> None:
    if asked_for == "Package" and (package.parent / "Package").exists():
        pytest.skip("case does not matter here")
    config = declare("package")
    (package / "src").mkdir()
    (package.parent / "package-2").mkdir()

    with pytest.raises(DevpyError) as refused:
        declaration.check_path(str(package.parent / asked_for))

    assert refused.value.problem == f"{(package.parent / asked_for)} is not declared in {config}"


@pytest.mark.parametrize(
    ("asked_for", "line"),
    [
        ("repository/package", '"package"'),
        ("other", '"../other"'),
        ("repository", '"."'),
        ('a "b" ä', r'"../a \"b\" ä"'),
    ],
)
def test_refusal_gives_what_to_add(declare: Declare, tmp_path: Path, asked_for: str, line: str) -> None:
    declare()
    (tmp_path / asked_for).mkdir(exist_ok=True, parents=True)

    with pytest.raises(DevpyError) as refused:
        declaration.check_path(str(tmp_path / asked_for))

    assert refused.value.mend == f"add {line} to packages under [editables] there, then run `devpy update-editables`"


def test_what_the_refusal_says_to_add_is_then_accepted(declare: Declare, tmp_path: Path) -> None:
    declare()
    asked_for = tmp_path / 'it\'s "quoted" \\ ä'
    asked_for.mkdir()
    with pytest.raises(DevpyError) as refused:
        declaration.check_path(str(asked_for))

    to_add = refused.value.mend.removeprefix("add ").partition(" to packages")[0]
    config = declare()
    config.write_text(config.read_text().replace("[]", f"[{to_add}]"), encoding="utf-8")

    declaration.check_path(str(asked_for))


def test_version_control_is_refused_without_showing_credentials(declare: Declare) -> None:
    config = declare()

    with pytest.raises(DevpyError) as refused:
        declaration.check_vcs("git+https://me:secret@example.invalid/project.git@main#egg=project")

    assert "git+https://example.invalid/project.git@main" in refused.value.problem
    assert "secret" not in str(refused.value)
    assert str(config) in refused.value.problem
    assert "devpy update-editables" in refused.value.mend


def test_missing_config_refuses(declare: Declare, package: Path) -> None:
    config = declare("package")
    config.unlink()

    with pytest.raises(DevpyError) as refused:
        declaration.check_path(str(package))

    assert refused.value.problem == f"cannot tell whether {package} is declared: missing {config}"


def test_broken_config_refuses(declare: Declare, package: Path) -> None:
    config = declare("package")
    config.write_text("[editables")

    with pytest.raises(DevpyError) as refused:
        declaration.check_path(str(package))

    assert f"cannot tell whether {package} is declared: {config}: " in refused.value.problem
