"""Where conda is installed, found without running it."""

from __future__ import annotations

import os

from devpy_pip_guard.files import beginning, is_dir, is_file, link_target, may_execute, shebang

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MARKS_OF_ROOT = ("conda-meta", "envs")
# Where installers put conda unless told otherwise.
_USUAL_ROOTS = (
    *("~/miniforge3", "~/miniforge", "~/mambaforge", "~/mambaforge3", "~/miniconda3", "~/miniconda"),
    *("~/anaconda3", "~/anaconda", "~/opt/anaconda3", "~/opt/miniconda3", "~/opt/miniforge3", "~/opt/mambaforge"),
    *("~/micromamba", "~/.local/share/mamba"),
    *("/opt/conda", "/opt/miniforge3", "/opt/miniforge", "/opt/mambaforge", "/opt/miniconda3", "/opt/miniconda"),
    *("/opt/anaconda3", "/opt/anaconda", "/opt/homebrew/Caskroom/miniforge/base"),
    *("/opt/homebrew/Caskroom/miniconda/base", "/opt/homebrew/anaconda3", "/usr/local/miniconda3"),
)
# What `conda init` and `mamba shell init` write to, and the lines there that tell where conda is.
_SHELL_FILES = ("~/.bashrc", "~/.bash_profile", "~/.profile", "~/.zshrc", "~/.config/fish/config.fish")
_INITIALIZED = (b"# >>> conda initialize >>>", b"# >>> mamba initialize >>>")
_PROGRAMS = ("/bin/conda", "/condabin/conda", "/bin/mamba", "/bin/micromamba")
_ROOT_VARIABLE = "MAMBA_ROOT_PREFIX"
_LONGEST_SHELL_FILE = 1 << 18


def find_installation(environ: Mapping[str, str]) -> str | None:
    """Return the absolute prefix that conda is installed in, which is conda's own `sys.prefix`, or None.

    :param environ: the caller's environment variables
    """
    return next((os.path.abspath(prefix) for prefix in _installations(environ)), None)


def owning_installation(prefix: str) -> str | None:
    """Return the prefix of the conda installation that an environment belongs to, told by where it lies, or None.

    :param prefix: that of the environment; one that is not absolute belongs to no installation
    """
    envs = os.path.dirname(prefix)
    candidates = [prefix, os.path.dirname(envs)] if os.path.basename(envs) == "envs" else [prefix]
    for candidate in candidates:
        if os.path.isabs(candidate) and is_file(os.path.join(candidate, "bin", "conda")):
            return candidate
    return None


def _installations(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the prefixes of conda installations, the most important first."""
    conda = environ.get("CONDA_EXE", "")
    if is_file(conda):
        yield _prefix_of_conda(conda)
    if is_dir(environ.get("_CONDA_ROOT", "")):
        yield environ["_CONDA_ROOT"]
    yield from _installations_on_path(environ)
    owner = owning_installation(environ.get("CONDA_PREFIX", ""))
    if owner is not None:
        yield owner
    if is_dir(environ.get(_ROOT_VARIABLE, "")):
        yield environ[_ROOT_VARIABLE]
    likely = [_prefix_of_conda(environ["MAMBA_EXE"])] if is_file(environ.get("MAMBA_EXE", "")) else []
    likely += [expand_user(root, environ) for root in _USUAL_ROOTS]
    for prefix in (*likely, *_initialized(environ)):
        if os.path.isabs(prefix) and _looks_like_root(prefix):
            yield prefix


def _initialized(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the prefixes that the shells' start-up files name where conda or mamba has written to them."""
    for file in _SHELL_FILES:
        path = expand_user(file, environ)
        text = beginning(path, most=_LONGEST_SHELL_FILE) if is_file(path) else b""
        for block in [block for mark in _INITIALIZED for block in text.split(mark)[1:]]:
            words = _shell_words(os.fsdecode(block.partition(b"# <<<")[0]))
            for variable, value in zip(words, words[1:]):
                if variable == _ROOT_VARIABLE:
                    yield value
            for word in words:
                program = next((program for program in _PROGRAMS if word.endswith(program)), "")
                if program:
                    yield word[: -len(program)]


def _shell_words(code: str) -> list[str]:
    """Return what may be words of shell code: what stands between quotes, and what white space and signs part."""
    words = []
    for part in code.replace("'", '"').split('"'):
        words += [part, *part.replace("=", " ").replace(";", " ").split()]
    return words


def _installations_on_path(environ: Mapping[str, str]) -> Iterator[str]:
    for folder in environ.get("PATH", "").split(os.pathsep):
        conda = os.path.join(folder, "conda")
        if os.path.isabs(conda) and is_file(conda) and may_execute(conda):
            prefix = _prefix_of_conda(conda)
            if _looks_like_root(prefix):  # a version manager's shim does not lie in one
                yield prefix


def _looks_like_root(prefix: str) -> bool:
    """Tell whether a folder could be a root prefix; micromamba's may hold nothing but environments."""
    return any(is_dir(os.path.join(prefix, name)) for name in _MARKS_OF_ROOT)


def _prefix_of_conda(conda: str) -> str:
    """Return the prefix of the Python that a `conda` script's first line names, or else the prefix that it lies in."""
    conda = _wrapped_conda(conda) or conda
    python = [*shebang(beginning(conda)), ""][0]
    if os.path.basename(python).startswith("python") and is_file(python):
        return os.path.dirname(os.path.dirname(python))
    while target := link_target(conda):  # of the script alone, since conda keeps the links in a prefix's path
        conda = os.path.join(os.path.dirname(conda), target)
    return os.path.dirname(os.path.dirname(os.path.abspath(conda)))


def _wrapped_conda(script: str) -> str:
    """Return the conda that a script of the shell starts, absolute; empty for anything else."""
    text = beginning(script)
    if not any(os.path.basename(word) in ("sh", "bash", "dash", "zsh") for word in shebang(text)):
        return ""
    words = os.fsdecode(text).replace("'", " ").replace('"', " ").split()
    found = (word for word in words if word.endswith(_PROGRAMS) and os.path.isabs(word) and word != script)
    return next(filter(is_file, found), "")


def expand_user(path: str, environ: Mapping[str, str]) -> str:
    """Return a path with a leading `~` replaced by the caller's home; empty if there is no such home."""
    if "HOME" in environ and (path == "~" or path.startswith("~/")):
        return environ["HOME"] + path[1:]
    expanded = os.path.expanduser(path)
    return "" if expanded.startswith("~") else expanded
