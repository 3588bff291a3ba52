"""``python -m benchmarks.review``: see README.md here."""

from __future__ import annotations

import sys

from benchmarks.review.command import main

if __name__ == "__main__":
    sys.exit(main())
