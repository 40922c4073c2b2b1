"""conda's settings, as far as they say where environments lie and what activation sets.

They come from the files and variables that conda reads, in conda's order. This is written by hand, since only conda
itself knows these rules, and starting conda takes longer than a command may.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from devpy_pip_guard.errors import DevpyError
from devpy_pip_guard.files import is_dir, is_file, may_write, names_in, read_bytes

from ..activate.activation import CondaSettings
from .installations import expand_user, find_installation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import yaml

# conda looks for settings here whatever the variables say.
_SYSTEM_FOLDERS = ("/etc/conda", "/var/lib/conda")

_ALIASES = {
    "root_prefix": ("root_prefix", "root_dir"),
    "envs_dirs": ("envs_dirs", "envs_path"),
    "changeps1": ("changeps1",),
    "env_prompt": ("env_prompt",),
    "auto_stack": ("auto_stack",),
    "envvars_force_uppercase": ("envvars_force_uppercase",),
}
_KEYS = frozenset(key for keys in _ALIASES.values() for key in keys)

_TRUE = ("true", "yes", "on", "y")
_FALSE = ("false", "off", "n", "no", "non", "none", "")
_NULL = ("", "~", "null", "Null", "NULL")

_LIST_MEND = "write one path a line: `- /path`"


class IgnoredError(DevpyError):
    """A file that conda passes over with a warning, since it cannot be read as YAML at all."""


class _Item(NamedTuple):
    value: str
    flag: str


class _Entry(NamedTuple):
    """What one file or variable says of a key: `text` is a plain value, `items` a list; null has both, empty."""

    origin: str
    text: str | None
    items: list[_Item] | None
    flag: str = ""


_Source = dict[str, _Entry]


def read_settings(environ: Mapping[str, str]) -> CondaSettings:
    """Read conda's settings as `conda activate`, typed in a shell with these variables, would see them.

    :param environ: the caller's environment variables
    :raises DevpyError: if a condarc that speaks of these settings is broken, or a value makes no sense
    """
    installation = find_installation(environ)
    sources = [_read_unless_ignored(path) for path in _condarc_files(environ, installation)]
    sources.append(_read_variables(environ))

    root_prefix = _expand(_text(sources, "root_prefix", ""), environ) or installation
    envs_dirs = [_expand(item, environ) for item in _merged_items(sources, "envs_dirs")]
    return CondaSettings(
        root_prefix=root_prefix,
        envs_dirs=_unique(filter(None, [*envs_dirs, *_default_envs_dirs(root_prefix, environ)])),
        changeps1=_boolean(sources, "changeps1", default=True),
        env_prompt=_text(sources, "env_prompt", "({default_env}) "),
        auto_stack=_integer(sources, "auto_stack", default=0),
        envvars_force_uppercase=_boolean(sources, "envvars_force_uppercase", default=True),
    )


def ignored(environ: Mapping[str, str]) -> list[DevpyError]:
    """Return what is wrong with the files that speak of these settings and that conda, too, ignores.

    :param environ: the caller's environment variables
    :raises DevpyError: for one that conda stops at
    """
    errors: list[DevpyError] = []
    for path in _condarc_files(environ, find_installation(environ)):
        try:
            _read_file(path)
        except IgnoredError as error:
            errors.append(error)
    return errors


def _default_envs_dirs(root_prefix: str | None, environ: Mapping[str, str]) -> list[str]:
    users_envs = _expand("~/.conda/envs", environ)
    if root_prefix is None:
        return [users_envs]
    root_envs = os.path.join(root_prefix, "envs")
    root_is_writable = may_write(os.path.join(root_prefix, "conda-meta", "history"))
    return [root_envs, users_envs] if root_is_writable else [users_envs, root_envs]


def _condarc_files(environ: Mapping[str, str], installation: str | None) -> list[str]:
    """Return the condarc files that exist, the least important first."""
    return _unique(path for place in _condarc_places(environ, installation) for path in _files_at(place))


def _condarc_places(environ: Mapping[str, str], installation: str | None) -> list[str]:
    """Return where a condarc file or a folder of them may be, the least important first."""
    user_config = environ.get("XDG_CONFIG_HOME")
    folders = [
        *_SYSTEM_FOLDERS,
        environ.get("CONDA_ROOT") or installation,
        user_config and os.path.join(user_config, "conda"),
        "~/.config/conda",
        "~/.conda",
    ]
    places = [*_places_in(folders), "~/.condarc", *_places_in([environ.get("CONDA_PREFIX")])]
    if environ.get("CONDARC"):
        places.append(environ["CONDARC"])
    return [expand_user(place, environ) for place in places]


def _places_in(folders: Iterable[str | None]) -> list[str]:
    return [os.path.join(folder, name) for folder in folders if folder for name in (".condarc", "condarc", "condarc.d")]


def _files_at(place: str) -> list[str]:
    """Return the condarc at a place, or the YAML files of a folder, sorted by name."""
    if is_file(place):
        return [place] if os.path.basename(place) in (".condarc", "condarc") or _is_yaml(place) else []
    if not is_dir(place):
        return []
    paths = [os.path.join(place, name) for name in sorted(names_in(place))]  # none if it is unreadable, as for conda
    return [path for path in paths if _is_yaml(path) and is_file(path)]


def _is_yaml(path: str) -> bool:
    return os.path.splitext(path)[1] in (".yml", ".yaml")


def _read_variables(environ: Mapping[str, str]) -> _Source:
    """Read the `CONDA_<KEY>` variables; in those, a list is separated as PATH is."""
    source = {}
    for key in _KEYS:
        variable = "CONDA_" + key.upper()
        if variable in environ:
            text = environ[variable].strip()
            items = [_Item(item.strip(), "") for item in text.split(os.pathsep) if item.strip()]
            source[key] = _Entry(variable, text, items)
    return source


def _read_unless_ignored(path: str) -> _Source:
    try:
        return _read_file(path)
    except IgnoredError:
        return {}


def _read_file(path: str) -> _Source:
    """Read a condarc; one that names none of the settings is not even parsed, which saves importing yaml.

    :raises IgnoredError: if conda would ignore it
    """
    content = read_bytes(path)
    if not any(key.encode() in content for key in _KEYS):
        return {}
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DevpyError(f"{path}: not UTF-8 at byte {error.start}", "save the file as UTF-8") from error
    return _parse(path, text)


def _parse(path: str, text: str) -> _Source:
    import yaml

    root = _compose(path, text)
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise DevpyError(f"{path}: not a mapping", "write `key: value` lines")
    return {
        key.value: _entry(path, text, key, node)
        for key, node in root.value
        if isinstance(key, yaml.ScalarNode) and key.value in _KEYS
    }


def _compose(path: str, text: str) -> yaml.Node | None:
    """Return the tree of nodes. Unlike values, nodes tell where they end: conda's flags stand in the comment there."""
    import yaml

    try:
        return yaml.compose(text, yaml.SafeLoader)  # libyaml's loader would overflow the stack when nested deeply
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        position = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        kind = IgnoredError if isinstance(error, yaml.scanner.ScannerError) else DevpyError
        raise kind(f"{path}{position}: not valid YAML: {error.problem}", "correct the file there") from error
    except yaml.reader.ReaderError as error:
        raise IgnoredError(f"{path}: not valid YAML", "remove control characters and unusual escapes") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: escapes beyond Unicode
        raise DevpyError(f"{path}: not valid YAML", "remove control characters and unusual escapes") from error
    except RecursionError as error:
        raise DevpyError(f"{path}: nested too deeply", "write plain keys and lists") from error


def _entry(path: str, text: str, key: yaml.ScalarNode, node: yaml.Node) -> _Entry:
    import yaml

    origin = f"{path}: {key.value}"
    if isinstance(node, yaml.ScalarNode):
        if not node.style and node.value in _NULL:
            return _Entry(origin, "", [])
        return _Entry(origin, _usable(origin, node.value), None, _flag(text, node))
    if not isinstance(node, yaml.SequenceNode):
        return _Entry(origin, None, None)
    if not all(isinstance(item, yaml.ScalarNode) for item in node.value):
        raise DevpyError(f"{origin}: not a list of strings", _LIST_MEND)
    items = [_Item(_usable(origin, item.value), _flag(text, item)) for item in node.value]
    return _Entry(origin, None, items, _flag(text, node if node.flow_style else key))


def _usable(origin: str, value: str) -> str:
    """Refuse characters that neither a path nor a variable can hold."""
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise DevpyError(f"{origin}: {value!r} holds a character that no path can", "remove it")
    return value


def _flag(text: str, node: yaml.Node) -> str:
    """Return the flag in the comment after a node, such as `final` of `#!final`, or an empty string."""
    rest = text[node.end_mark.index :].partition("\n")[0].lstrip(": \t").rstrip()
    return rest.strip("!#") if rest.startswith("#") else ""


def _entries(sources: list[_Source], setting: str) -> list[_Entry]:
    """Return the entries for a setting, the least important first; those after one that is marked final are dropped."""
    entries: list[_Entry] = []
    for source in sources:
        declared = [source[key] for key in _ALIASES[setting] if key in source]
        if len(declared) > 1:
            raise DevpyError(
                f"{declared[1].origin} and {declared[0].origin} are the same setting", "remove one of them"
            )
        entries += declared
    last = next((index for index, entry in enumerate(entries) if entry.flag == "final"), len(entries))
    return entries[: last + 1]


def _merged_items(sources: list[_Source], setting: str) -> list[str]:
    """Return the items of all sources, the most important first, with those marked top and bottom in their places."""
    top: list[str] = []
    middle: list[str] = []
    bottom: list[str] = []
    for entry in _entries(sources, setting):
        if entry.items is None:
            raise DevpyError(f"{entry.origin}: not a list", _LIST_MEND)
        top += [item.value for item in entry.items if item.flag == "top"]
        middle[:0] = [item.value for item in entry.items]
        bottom[:0] = [item.value for item in entry.items if item.flag == "bottom"]
    upper = [item for item in _unique([*top, *middle]) if item not in bottom]
    return upper + _unique(reversed(bottom))[::-1]


def _text(sources: list[_Source], setting: str, default: str) -> str:
    entries = _entries(sources, setting)
    if not entries:
        return default
    if entries[-1].text is None:
        raise DevpyError(f"{entries[-1].origin}: not a single value", "write it as `key: value`")
    return entries[-1].text


def _boolean(sources: list[_Source], setting: str, *, default: bool) -> bool:
    text = _text(sources, setting, str(default)).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    try:
        return bool(float(text))
    except ValueError:
        origin = _entries(sources, setting)[-1].origin
        raise DevpyError(f"{origin}: {text!r} is not a boolean", "write true or false") from None


def _integer(sources: list[_Source], setting: str, *, default: int) -> int:
    text = _text(sources, setting, str(default)).strip()
    if text.lower() in ("true", "false"):
        return int(text.lower() == "true")
    try:
        return int(text)
    except ValueError:
        origin = _entries(sources, setting)[-1].origin
        raise DevpyError(f"{origin}: {text!r} is not a whole number", "write a number such as 0") from None


def _expand(path: str, environ: Mapping[str, str]) -> str:
    """Make a path absolute, and replace `$VAR`, `${VAR}` and a leading `~`; empty if there is no such home."""
    if "$" in path:
        import re

        path = re.sub(
            r"\$(?:(\w+)|\{([^}]*)\})", lambda match: environ.get(match[1] or match[2], match[0]), path, flags=re.ASCII
        )
    expanded = expand_user(path, environ)
    return expanded and os.path.abspath(expanded)


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
