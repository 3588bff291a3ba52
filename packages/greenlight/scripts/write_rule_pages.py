"""Write docs/rules from the rules themselves: ``uv run python packages/greenlight/scripts/write_rule_pages.py``."""

from pathlib import Path

from greenlight.rehearse.catalogue import pages

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "rules"


def main() -> None:
    """Write every page and remove those of rules that are gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(wanted)} pages in {FOLDER}")


if __name__ == "__main__":
    main()
