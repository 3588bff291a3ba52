"""The rules about pyproject.toml agree with validate-pyproject, which is too slow to start for a review of a second."""

import tomllib

import pytest
from validate_pyproject import api, errors

from greenlight.review.engine import run_rule
from greenlight.review.registry import rule
from greenlight.review.subject import Subject

RULES = [rule(key) for key in ("GL505", "GL506", "GL507", "GL508", "GL509", "GL514", "GL515")]
GOOD = '[project]\nname = "study"\nversion = "0.1.0"\n'
CASES = [
    GOOD,
    GOOD
    + 'dependencies = ["torch>=2.4,<3", "numpy ; python_version < \'3.13\'", "a[b] @ https://example.org/a.whl"]\n',
    GOOD + 'description = "x"\nkeywords = ["a"]\nclassifiers = ["Private :: Do Not Upload"]\n',
    GOOD + 'authors = [{name = "A", email = "a@example.org"}]\nlicense = {text = "MIT"}\nrequires-python = ">=3.11"\n',
    GOOD + 'license = "MIT"\n[project.urls]\nHomepage = "https://example.org"\n',
    GOOD + '[project.scripts]\nrun = "study.main:main"\n[project.optional-dependencies]\nplots = ["matplotlib"]\n',
    '[project]\nname = "study"\ndynamic = ["version"]\n',
    GOOD + '[project.dependencies]\ntorch = "^2.4"\n',
    GOOD + 'dependencies = ["torch^2.4"]\n',
    GOOD + 'dependencies = "torch"\n',
    GOOD + "dependencies = [3]\n",
    '[project]\nname = "my study"\nversion = "0.1.0"\n',
    '[project]\nversion = "0.1.0"\n',
    '[project]\nname = "study"\n',
    '[project]\nname = "study"\nversion = "one"\n',
    '[project]\nname = "study"\nversion = 0.1\n',
    GOOD + 'authors = ["A"]\n',
    GOOD + "keywords = 3\n",
    GOOD + "description = 3\n",
    GOOD + 'readme = ["README.md"]\n',
    GOOD + 'license = {name = "MIT"}\n',
    GOOD + 'homepage = "https://example.org"\n',
    GOOD + 'python = ">=3.11"\n',
    GOOD + "[project.scripts]\nrun = 3\n",
    GOOD + '[project.optional-dependencies]\nplots = "matplotlib"\n',
    GOOD + "[project.urls]\nHomepage = 3\n",
    GOOD + 'requires-python = "three"\n',
]


def oracle(text):
    try:
        api.Validator(plugins=[])(tomllib.loads(text))
    except errors.ValidationError:
        return False
    return True


@pytest.mark.parametrize("text", CASES, ids=range(len(CASES)))
def test_a_project_table_is_told_exactly_where_validate_pyproject_refuses_it(text):
    findings = [f for r in RULES for f in run_rule(r, Subject.of({"pyproject.toml": text})).findings]
    if "three" in text:
        assert findings, "uv refuses it, validate-pyproject does not look"
    else:
        assert (findings == []) == oracle(text), [f.message for f in findings]
