from pathlib import Path

import pytest

from greenlight.rehearse.catalogue import pages
from greenlight.review.catalogue import sentences, uncovered
from greenlight.review.registry import all_rules

DOCS = Path(__file__).resolve().parents[4] / "docs" / "rules"
REMEDY = "run packages/greenlight/scripts/write_rule_pages.py"


def test_every_sentence_of_the_contract_is_looked_after():
    assert uncovered() == ()
    for number, entry in sentences().items():
        assert ("by" in entry) == ("because" in entry), number
        assert entry.get("by", "rehearsal") in ("rehearsal", "judge")


def test_the_pages_are_those_of_the_rules():
    assert {path.name for path in DOCS.iterdir()} == set(pages()), REMEDY
    for name, text in pages().items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, f"{name}: {REMEDY}"


def test_no_two_rules_share_a_name_or_a_summary():
    for words in ("id", "name", "summary"):
        values = [getattr(rule, words) for rule in all_rules()]
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_a_page_shows_every_example(rule):
    page = pages()[f"{rule.id}.md"]
    assert page.count("\n## Invalid") == len(rule.invalid)
    assert page.count("\n## Valid") == len(rule.valid)
