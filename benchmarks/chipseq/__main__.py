"""``python -m benchmarks.chipseq``: see README.md here."""

from __future__ import annotations

import sys

from benchmarks.chipseq.command import main

if __name__ == "__main__":
    sys.exit(main())
