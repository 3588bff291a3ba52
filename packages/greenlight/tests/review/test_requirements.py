"""What pyproject.toml declares."""

import pytest

from greenlight.review.engines.requirements import Requirements, samples, translated
from greenlight.review.subject import Subject


def requirements(text):
    return Subject.of({"pyproject.toml": text}).derived(Requirements)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^1.2.3", "1.9", "2.0"),
        ("^0.16.4", "0.16.9", "0.17"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("~1.2.3", "1.2.9", "1.3"),
        ("~1", "1.9", "2.0"),
        ("*", "7", None),
        (">=1,<2", "1.5", "2.0"),
        ("1.4", "1.4", "1.5"),
    ],
)
def test_poetry_s_constraints_admit_what_its_documentation_says(text, inside, outside):
    allowed = translated(text)
    assert allowed.contains(inside)
    assert outside is None or not allowed.contains(outside)


def test_a_list_a_table_and_groups_are_read_with_their_lines():
    found = requirements(
        '[project]\nname = "a"\ndependencies = [\n  "torch>=2",\n  "wandb^0.16",\n]\n\n'
        '[dependency-groups]\ndev = ["PyTest>=8"]\n'
    )
    assert [(e.name, e.line, e.place, e.valid) for e in found.entries] == [
        ("torch", 4, "project", True),
        ("wandb", 5, "project", False),
        ("pytest", 9, "group", True),
    ]


def test_what_is_not_declared_admits_everything():
    found = requirements('[project]\nname = "a"\ndependencies = ["numpy<2"]\n')
    assert found.admits("scipy", "1.0")
    assert not found.admits("numpy", "2.1")


def test_what_comes_along_is_followed_to_its_end():
    assert {"torch", "transformers", "accelerate", "numpy", "tokenizers"} <= requirements(
        '[project]\nname = "a"\ndependencies = ["peft"]\n'
    ).brought


def test_samples_hold_a_version_of_every_range_that_has_one():
    for text in (">=1,<2", ">1.2,<1.3", "==1.4.*", "!=3", "<0.1", ">=7"):
        assert any(translated(text).contains(version) for version in samples(translated(text)))
    assert not any(translated(">=2,<1").contains(version) for version in samples(translated(">=2,<1")))
