"""A second opinion of a language model on what only meaning can tell; off unless it is asked for.

It reads the code after the review and can only add: an `Opinion` quotes a line that stands in the file, is never a
finding, takes no finding away and decides nothing. An endpoint that fails gives no verdict, only a reason.
"""

from greenlight.judge.asking import ask
from greenlight.judge.endpoint import KEY_VARIABLE
from greenlight.judge.opinion import Asked, Opinion

__all__ = ["KEY_VARIABLE", "Asked", "Opinion", "ask"]
