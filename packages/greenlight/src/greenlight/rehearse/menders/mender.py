"""What a mender is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from greenlight.rehearse.observer.record import Raised


@dataclass(frozen=True)
class Mended:
    """A scratch copy with which a rehearsal can go on.

    Attributes
    ----------
    files
        All files of the experiment, the changed ones included.
    said
        One line: what was changed.
    rough
        Whether a value was made up on the way, so that what happens to that value later proves nothing.
    """

    files: Mapping[str, bytes]
    said: str
    rough: bool = False


class Mender(ABC):
    """Knows one general mistake; a subclass in a file of its own in this folder is found by itself.

    Attributes
    ----------
    name
        Words with hyphens.
    rank
        Menders of a smaller number are asked first; among equals the name decides.
    """

    name: ClassVar[str]
    rank: ClassVar[int] = 50

    @abstractmethod
    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files without the mistake, or None where it is another one.

        Parameters
        ----------
        raised
            What ended the process.
        files
            The experiment as it was performed.
        """
