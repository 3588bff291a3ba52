"""The errors that a caller of graff causes and can mend: one line with the value, the rule and the remedy."""


class GraffError(ValueError):
    """A value that cannot be used; the message names it, the rule it breaks and the remedy."""
