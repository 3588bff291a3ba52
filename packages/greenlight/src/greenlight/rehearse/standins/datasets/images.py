"""Sets of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from greenlight.rehearse.standins.datasets import label_names
from greenlight.rehearse.standins.datasets.png import picture
from greenlight.rehearse.standins.datasets.schema import (
    HIDDEN,
    INT32,
    TEXT,
    Column,
    Configuration,
    DataSet,
    Groups,
    Image,
    Label,
    Many,
    Place,
    Row,
)
from greenlight.rehearse.standins.datasets.sentences import Draw

_TEST = ("train", "test")
_THREE = ("train", "validation", "test")
_DIGITS = Label(tuple("0123456789"))
_ANIMALS = Label(("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"))
_CLOTHES = Label(
    ("T - shirt / top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
)
# The real names of these classes are not known here; their number is.
_IMAGENET = Label(tuple(f"class {number}" for number in range(1000)))
_TINY = Label(tuple(f"n{number:08}" for number in range(200)))


def _square(
    side: int, classes: int, image: str = "image", label: str = "label", kind: Literal["grey", "colour"] = "colour"
) -> Callable[[Draw, Place], Row]:
    """Return what makes square images of one size."""

    def row(draw: Draw, _at: Place) -> Row:
        number = draw.number(0, classes - 1)
        return {image: picture(draw, number, side, side, kind), label: number}

    return row


def _photo(classes: int, *, hides: bool = False, label: str = "label") -> Callable[[Draw, Place], Row]:
    """Return what makes images of many sizes; one in eight is grey and one in thirty-two has transparency."""

    def row(draw: Draw, at: Place) -> Row:
        number = draw.number(0, classes - 1)
        kind: Literal["grey", "colour", "transparent"] = "grey" if at.index % 8 == 5 else "colour"
        kind = "transparent" if at.index % 32 == 17 else kind
        found = picture(draw, number, draw.number(60, 160), draw.number(60, 160), kind)
        return {"image": found, label: HIDDEN if hides and at.hidden else number}

    return row


def _tiny(draw: Draw, at: Place) -> Row:
    number = draw.number(0, 199)
    return {"image": picture(draw, number, 64, 64, "grey" if at.index % 8 == 5 else "colour"), "label": number}


def _cifar100(draw: Draw, _at: Place) -> Row:
    fine = draw.number(0, 99)
    return {"img": picture(draw, fine, 32, 32), "fine_label": fine, "coarse_label": fine // 5}


def _numbers(draw: Draw, _at: Place) -> Row:
    digits = [draw.number(0, 9) for _ in range(draw.number(1, 4))]
    boxes = [[8 + 14 * place, 6, 12, 20] for place in range(len(digits))]
    return {"image": picture(draw, digits[0], 20 + 14 * len(digits), 32), "digits": {"bbox": boxes, "label": digits}}


def _pet(draw: Draw, at: Place) -> Row:
    row = _photo(37)(draw, at)
    number = int(row["label"])
    cats = ("abyssinian", "bengal", "birman", "bombay", "british_shorthair", "egyptian_mau", "maine_coon", "persian",
            "ragdoll", "russian_blue", "siamese", "sphynx")  # fmt: skip
    name = label_names.PETS[number]
    return {**row, "image_id": f"{name}_{at.index}", "label_cat_dog": 0 if name in cats else 1}


def _bean(draw: Draw, at: Place) -> Row:
    number = at.index % 3
    return {
        "image_file_path": f"/{at.split}/{at.index}.jpg",
        "image": picture(draw, number, 500, 500),
        "labels": number,
    }


def _labelled(label: Label, image: str = "image") -> dict[str, Column]:
    return {image: Image(), "label": label}


SETS = (
    DataSet(
        "ylecun/mnist",
        {"mnist": Configuration(_labelled(_DIGITS), _TEST, _square(28, 10, kind="grey"))},
        names=("mnist",),
    ),
    DataSet(
        "zalando-datasets/fashion_mnist",
        {"fashion_mnist": Configuration(_labelled(_CLOTHES), _TEST, _square(28, 10, kind="grey"))},
        names=("fashion_mnist",),
    ),
    DataSet(
        "uoft-cs/cifar10",
        {"plain_text": Configuration(_labelled(_ANIMALS, "img"), _TEST, _square(32, 10, "img"))},
        names=("cifar10",),
    ),
    DataSet(
        "uoft-cs/cifar100",
        {
            "cifar100": Configuration(
                {
                    "img": Image(),
                    "fine_label": Label(label_names.CIFAR_FINE),
                    "coarse_label": Label(label_names.CIFAR_COARSE),
                },
                _TEST,
                _cifar100,
            )
        },
        names=("cifar100",),
    ),
    DataSet(
        "ufldl-stanford/svhn",
        {
            "cropped_digits": Configuration(_labelled(_DIGITS), ("train", "test", "extra"), _square(32, 10)),
            "full_numbers": Configuration(
                {"image": Image(), "digits": Groups({"bbox": Many(INT32, 4), "label": _DIGITS})},
                ("train", "test", "extra"),
                _numbers,
            ),
        },
        names=("svhn",),
    ),
    DataSet(
        "ILSVRC/imagenet-1k",
        {"default": Configuration(_labelled(_IMAGENET), _THREE, _photo(1000, hides=True))},
        names=("imagenet-1k",),
    ),
    DataSet(
        "ethz/food101",
        {"default": Configuration(_labelled(Label(label_names.FOOD)), ("train", "validation"), _photo(101))},
        names=("food101",),
    ),
    DataSet(
        "timm/oxford-iiit-pet",
        {
            "default": Configuration(
                {**_labelled(Label(label_names.PETS)), "image_id": TEXT, "label_cat_dog": Label(("cat", "dog"))},
                _TEST,
                _pet,
            )
        },
    ),
    DataSet("zh-plus/tiny-imagenet", {"default": Configuration(_labelled(_TINY), ("train", "valid"), _tiny)}),
    DataSet(
        "AI-Lab-Makerere/beans",
        {
            "default": Configuration(
                {
                    "image_file_path": TEXT,
                    "image": Image(),
                    "labels": Label(("angular_leaf_spot", "bean_rust", "healthy")),
                },
                _THREE,
                _bean,
            )
        },
        names=("beans",),
    ),
    DataSet(
        "microsoft/cats_vs_dogs",
        {
            "default": Configuration(
                {"image": Image(), "labels": Label(("cat", "dog"))}, ("train",), _photo(2, label="labels")
            )
        },
        names=("cats_vs_dogs",),
    ),
)
