import pytest

from greenlight.review.engines.hub_owners import OWNERS, refuses_old_ids
from greenlight.review.engines.public_data import public_data
from greenlight.review.subject import Subject


def refuses(*requirements, more="", **files):
    listed = ", ".join(f'"{one}"' for one in requirements)
    text = f'[project]\nname = "a"\nversion = "1"\ndependencies = [{listed}]\n{more}'
    return refuses_old_ids(Subject.of({"pyproject.toml": text, **files}))


@pytest.mark.parametrize(
    "requirements",
    [["datasets"], ["datasets>=2.14", "transformers>=4.40", "torch==2.4.0"], ["datasets==5.2.0", "numpy<2"]],
)
def test_the_newest_client_is_installed_where_nothing_is_in_its_way(requirements):
    assert refuses(*requirements)


@pytest.mark.parametrize(
    "requirements",
    [
        ["datasets<4"],
        ["datasets==2.19.0"],
        ["datasets", "huggingface-hub<1"],
        ["datasets", "transformers==4.44.0"],
        ["datasets", "pyarrow<15"],
        ["datasets", "peft==0.10.0"],
        ["datasets", "a-library-that-nobody-knows"],
        ["transformers"],
    ],
)
def test_a_bound_from_above_or_an_unknown_library_may_hold_it_back(requirements):
    assert not refuses(*requirements)


def test_an_old_python_and_settings_of_uv_may_hold_it_back():
    assert not refuses("datasets", more='requires-python = "<3.10"\n')
    assert refuses("datasets", more='requires-python = ">=3.9"\n')
    assert not refuses("datasets", more='\n[tool.uv.sources]\ntransformers = { git = "https://example.org/t" }\n')
    assert refuses("datasets", "torch", more='\n[tool.uv.sources]\ntorch = { index = "cpu" }\n')
    assert not refuses("datasets", more='\n[tool.uv]\nexclude-newer = "2024-01-01T00:00:00Z"\n')


def test_every_owner_is_named_and_the_known_columns_are_those_of_the_old_id():
    assert all(new.partition("/")[2] and not old.count("/") for old, new in OWNERS.items())
    for old, new in OWNERS.items():
        known = public_data(old)
        assert known is None or public_data(new) is known, (old, new)
