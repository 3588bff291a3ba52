"""Types of columns, and data sets made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenlight.rehearse.standins.datasets.sentences import Draw

if TYPE_CHECKING:
    import pyarrow

Row = Mapping[str, Any]
HIDDEN = -1
"""The label of a row whose label is not published."""


@dataclass(frozen=True)
class Value:
    """A column of plain values.

    Parameters
    ----------
    dtype
        The name that `datasets` has for the type, for instance ``string`` or ``int32``.
    """

    dtype: str

    def feature(self) -> Any:
        """Return what the metadata of a parquet file says about the type, for `datasets`."""
        return {"dtype": self.dtype, "_type": "Value"}

    def arrow(self) -> pyarrow.DataType:
        """Return the type in the file."""
        import pyarrow

        names = {"string": "string", "bool": "bool_", "timestamp[us]": "timestamp"}
        made = getattr(pyarrow, names.get(self.dtype, self.dtype))
        found: pyarrow.DataType = made("us") if self.dtype == "timestamp[us]" else made()
        return found


@dataclass(frozen=True)
class Label:
    """A column of classes with names.

    Parameters
    ----------
    names
        The names, in the order of their numbers.
    """

    names: tuple[str, ...]

    def feature(self) -> Any:
        """Return what the metadata of a parquet file says about the type, for `datasets`."""
        return {"names": list(self.names), "_type": "ClassLabel"}

    def arrow(self) -> pyarrow.DataType:
        """Return the type in the file."""
        import pyarrow

        return pyarrow.int64()


@dataclass(frozen=True)
class Image:
    """A column of images; a row holds the bytes of a PNG file."""

    def feature(self) -> Any:
        """Return what the metadata of a parquet file says about the type, for `datasets`."""
        return {"_type": "Image"}

    def arrow(self) -> pyarrow.DataType:
        """Return the type in the file."""
        import pyarrow

        return pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])


@dataclass(frozen=True)
class Many:
    """A column of lists.

    Parameters
    ----------
    of
        The type of an entry.
    length
        How many entries every list has; -1 where that differs.
    """

    of: Column
    length: int = -1

    def feature(self) -> Any:
        """Return what the metadata of a parquet file says about the type, for `datasets`."""
        fixed = {"length": self.length} if self.length >= 0 else {}
        return {"feature": self.of.feature(), **fixed, "_type": "Sequence"}

    def arrow(self) -> pyarrow.DataType:
        """Return the type in the file."""
        import pyarrow

        return pyarrow.list_(self.of.arrow(), self.length)


@dataclass(frozen=True)
class Group:
    """A column of named values.

    Parameters
    ----------
    of
        The type of each value.
    """

    of: Mapping[str, Column]

    def feature(self) -> Any:
        """Return what the metadata of a parquet file says about the type, for `datasets`."""
        return {name: column.feature() for name, column in self.of.items()}

    def arrow(self) -> pyarrow.DataType:
        """Return the type in the file."""
        import pyarrow

        return pyarrow.struct([(name, column.arrow()) for name, column in self.of.items()])


@dataclass(frozen=True)
class Groups:
    """A column of lists of named values, each held as a list of its own, which is how `datasets` reads ``Sequence``.

    Parameters
    ----------
    of
        The type of each value.
    """

    of: Mapping[str, Column]

    def feature(self) -> Any:
        """Return what the metadata of a parquet file says about the type, for `datasets`."""
        return {name: Many(column).feature() for name, column in self.of.items()}

    def arrow(self) -> pyarrow.DataType:
        """Return the type in the file."""
        return Group({name: Many(column) for name, column in self.of.items()}).arrow()


@dataclass(frozen=True)
class Translation:
    """A column of one text in several languages.

    Parameters
    ----------
    languages
        Codes of the languages.
    """

    languages: tuple[str, ...]

    def feature(self) -> Any:
        """Return what the metadata of a parquet file says about the type, for `datasets`."""
        return {"languages": list(self.languages), "_type": "Translation"}

    def arrow(self) -> pyarrow.DataType:
        """Return the type in the file."""
        return Group(dict.fromkeys(self.languages, TEXT)).arrow()


Column = Value | Label | Image | Many | Group | Groups | Translation

TEXT = Value("string")
INT32 = Value("int32")
INT64 = Value("int64")
FLOAT32 = Value("float32")
BOOL = Value("bool")


@dataclass(frozen=True)
class Place:
    """Where a row stands.

    Parameters
    ----------
    configuration, split
        The part of the data set.
    index
        Its number in the split, from 0.
    """

    configuration: str
    split: str
    index: int

    @property
    def hidden(self) -> bool:
        """Whether the row is one of a test split, whose labels many sets do not publish."""
        return self.split.startswith("test")


@dataclass(frozen=True)
class Configuration:
    """One configuration of a data set.

    Parameters
    ----------
    columns
        Types by name, in order.
    splits
        Names of the splits, in order.
    row
        Makes one row.
    """

    columns: Mapping[str, Column]
    splits: tuple[str, ...]
    row: Callable[[Draw, Place], Row]


@dataclass(frozen=True)
class DataSet:
    """A data set of the public hub.

    Parameters
    ----------
    id
        ``owner/name``.
    configurations
        By name, in order.
    default
        The one that is loaded where none is named; None where one has to be named. A single one is always the default.
    names
        Older ids, which the public hub redirects.
    """

    id: str
    configurations: Mapping[str, Configuration]
    default: str | None = None
    names: tuple[str, ...] = field(default=())


TRAINING_ROWS, OTHER_ROWS = 64, 32


def rows(
    configuration: Configuration, data_set: str, name: str, split: str, training_rows: int = TRAINING_ROWS
) -> list[Row]:
    """Return the rows of one split: ``training_rows`` of a training split, 32 of any other.

    Parameters
    ----------
    configuration
        What they are rows of.
    data_set, name, split
        Ids that seed the source.
    training_rows
        How many a training split has.
    """
    draw = Draw(f"{data_set}\0{name}\0{split}")
    count = training_rows if split.startswith("train") else OTHER_ROWS
    return [configuration.row(draw, Place(name, split, index)) for index in range(count)]
