"""The error that a user of technoise can cause and can mend."""


class TechnoiseError(Exception):
    """A value broke a rule: the one line of the message names the value, the rule and the remedy."""
