"""The one kind of error that a user causes and can mend."""


class GreenlightError(Exception):
    """An input that cannot be used: one line that names the value, the rule and the remedy.

    The command line prints it without a traceback and exits with status 2.
    """
