from __future__ import annotations

from pathlib import Path

import pytest

from devpy_pip_guard.errors import DevpyError
from devpy_runner.refusal import refuse_install

REFUSED = [
    "pip install -e .",
    "pip install -e.",
    "pip install -e=.",
    "pip install --editable .",
    "pip install --editable=.",
    "pip install --edit .",
    "pip install -Ue .",
    "pip install -Ue.",
    "pip install -qqUe .",
    "pip install --no-deps -e .",
    "pip install six -e ../library",
    "pip install -r requirements.txt -e .",
    "pip install -e",
    "pip -q install -e .",
    "pip --isolated install -e .",
    "pip --log pip.log install -e .",
    "pip --proxy=x install -e .",
    "pip3 install -e .",
    "pip3.11 install -e .",
    ".venv/bin/pip install -e .",
    "python -m pip install -e .",
    "python -mpip install -e .",
    "python -I -m pip install -e .",
    "python -Im pip install -e .",
    "python -Impip install -e .",
    "python -W error -m pip install -e .",
    "python -X dev -m pip -q install -e .",
    "python3 -m pip install -e .",
    "python3.11 -m pip install --editable=.",
    "/usr/bin/python3 -m pip install -e .",
    "uv pip install -e .",
    "uv --quiet pip install -e .",
    "uv --directory x pip install --editable .",
    "uv sync",
    "uv -q sync --frozen",
    "uv add six",
    "uv remove six",
    "uv run pytest",
    "uv add --editable ../library",
    "uv add ../library --editable",
    "python setup.py develop",
    "python -W ignore setup.py -q develop --no-deps",
    "python3 ../library/setup.py develop",
    "./setup.py develop",
]
ALLOWED = [
    "pip install .",
    "pip install -r e.txt",
    "pip install -rextra.txt",
    "pip install -ie.example",
    "pip install --extra-index-url x six",
    "pip wheel -e .",
    "pip download -e .",
    "pip list -e",
    "pip freeze",
    "pip",
    "pip -e",
    "pipx install -e .",
    "pip-compile -e .",
    "python -c print -e",
    "python script.py -m pip install -e .",
    "python -c 'x' -m pip install -e .",
    "python -m pytest -e",
    "python -m",
    "python",
    "pythonic -m pip install -e .",
    "uv pip list -e",
    "uv add --no-sync six",
    "uv run --no-sync pytest",
    "uv run --no-project pytest",
    "uv lock",
    "uv --version",
    "python setup.py build",
    "python tool.py setup.py develop",
    "python -",
    "python - setup.py develop",
    "python --version",
    "npm run develop",
    "uv",
    "conda list",
    "conda env list",
    "conda create -n other python",
    "conda install -n other numpy",
    "conda install --prefix=/envs/other numpy",
    "conda install -p /envs/base numpy",
    "conda install --dry-run numpy",
    "conda install -yn other numpy",
    "conda config --show",
    "conda env config vars list",
    "conda",
    "echo conda install numpy",
    "echo pip install -e .",
    "sed -e s/a/b/",
]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository whose devpy.toml declares `declared` and `with[brackets]`."""
    for name in ("declared", "with[brackets]"):
        (tmp_path / "repo" / name).mkdir(parents=True)
    text = '[python]\nbase_conda_env = "base"\n[editables]\npackages = ["declared", "with[brackets]"]\n'
    (tmp_path / "repo" / "devpy.toml").write_text(text, encoding="utf-8")
    return tmp_path / "repo"


def config(repo: Path) -> str:
    return str(repo / "devpy.toml")


@pytest.mark.parametrize("line", REFUSED)
def test_editable_installs_are_refused(line: str, repo: Path) -> None:
    with pytest.raises(DevpyError) as caught:
        refuse_install(line.split(" "), config(repo), "/envs/base", str(repo))
    assert f"[editables] in {repo}/devpy.toml" in caught.value.mend
    assert "devpy update-editables" in caught.value.mend


@pytest.mark.parametrize("line", ALLOWED)
def test_other_commands_are_not(line: str, repo: Path) -> None:
    refuse_install(line.split(" "), config(repo), "/envs/base", str(repo))


@pytest.mark.parametrize(
    "line",
    [
        "pip install -e ../library",
        "pip install -Ue../library",
        "pip install --editable=../library",
        "uv add --editable ../library",
        "python ../library/setup.py develop",
    ],
)
def test_the_line_to_write_is_shown(line: str, repo: Path) -> None:
    with pytest.raises(DevpyError, match=r'add "\.\./library" to packages'):
        refuse_install(line.split(" "), config(repo), "/envs/base", str(repo))


@pytest.mark.parametrize(
    ("target", "declared"),
    [
        (".", '"sub"'),
        (".[dev,test]", '"sub"'),
        ("../library#egg=lib", '"library"'),
        ("file:///repo/a%20b", '"a b"'),
        ("lib @ file:///repo/../elsewhere/lib", '"../elsewhere/lib"'),
        ("/repo/../elsewhere", '"../elsewhere"'),
        ("git+https://user:secret@host/lib", "the folder of a clone of it"),
    ],
)
def test_the_line_to_write_fits_the_file(target: str, declared: str, repo: Path) -> None:
    target, declared = (text.replace("/repo", str(repo)) for text in (target, declared))
    with pytest.raises(DevpyError) as caught:
        refuse_install(["pip", "install", "-e", target], config(repo), "/envs/base", f"{repo}/sub")
    assert f"add {declared} to packages" in caught.value.mend
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "line", ["pip install -e declared", "python -m pip install -Ue ./declared[dev]", "uv pip install -e with[brackets]"]
)
def test_what_is_declared_is_said_to_be(line: str, repo: Path) -> None:
    with pytest.raises(DevpyError, match=r"is declared in .*: devpy installs it") as caught:
        refuse_install(line.split(), config(repo), "/envs/base", str(repo))
    assert caught.value.mend.startswith("devpy update-editables")


@pytest.mark.parametrize("line", ["uv pip install --system six", "uv pip uninstall --system six"])
def test_uv_is_kept_from_the_base(line: str, repo: Path) -> None:
    with pytest.raises(DevpyError, match="would change the base"):
        refuse_install(line.split(), config(repo), "/envs/base", str(repo))


@pytest.mark.parametrize(
    "line",
    [
        "conda install numpy",
        "/opt/conda/bin/conda install -y numpy",
        "mamba update --all",
        "micromamba remove numpy",
        "conda env update -f environment.yml",
        "conda develop .",
        "conda install -y numpy",
        "conda env config vars set A=1",
        "conda config --env --set channels x",
    ],
)
def test_conda_is_kept_from_the_base(line: str, repo: Path) -> None:
    with pytest.raises(DevpyError, match="would change /envs/base") as caught:
        refuse_install(line.split(), config(repo), "/envs/base", str(repo))
    assert "-p /envs/base" in caught.value.mend
