from __future__ import annotations

import subprocess

import pytest

from devpy_virtualenv_plugin.mends import command, conda_install


@pytest.mark.parametrize("word", ["plain", "two words", "it's", "$HOME", 'a "quoted" one', "line\nbreak", "*", "", "~"])
def test_a_shell_takes_each_word_as_it_is_meant(word: str) -> None:
    typed = subprocess.run(
        ["/bin/sh", "-c", command("printf", "%s|", word, "next")], check=True, capture_output=True, text=True
    )
    assert typed.stdout == f"{word}|next|"


def test_what_needs_no_quotes_has_none() -> None:
    assert command("/opt/env/bin/python", "-m", "pip", "check") == "/opt/env/bin/python -m pip check"


def test_packages_for_a_base_in_a_folder_with_a_space() -> None:
    assert conda_install("/my envs/base", "python>=3.8", "pip") == "conda install -p '/my envs/base' 'python>=3.8' pip"
