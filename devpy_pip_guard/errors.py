"""The one kind of error that devpy shows to its user."""

_MOST_CHARACTERS = 2000
"""A longer message would fill the screen, and hide what is wrong and how to mend it."""


class DevpyError(Exception):
    """Something that the user can mend.

    Its texts may quote a broken file. So the problem stays on one line, and neither text holds what a terminal obeys.

    :param problem: what is wrong, naming the file, key or path
    :param mend: how to mend it, with the command to type where there is one
    """

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem, mend)
        self.problem = _shortened(printable(problem))
        self.mend = printable(mend, keep="\n")

    def __str__(self) -> str:
        return f"{self.problem}\n  {self.mend}"


def printable(text: str, keep: str = "") -> str:
    """Return a text with escapes instead of line ends, and of anything else that a terminal would obey.

    :param keep: characters that stay as they are
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in keep else ascii(character)[1:-1] for character in text
    )


def _shortened(text: str) -> str:
    half = _MOST_CHARACTERS // 2
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:half]} … {text[-half:]}"
