"""The one kind of error that devpy shows to its user."""


class DevpyError(Exception):
    """Something the user can mend, told in one line each for what is wrong and how to mend it.

    :param problem: what is wrong, naming the file, key or path
    :param mend: how to mend it, with the command to type where there is one
    """

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem, mend)
        self.problem = problem
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.problem}\n  {self.mend}"
