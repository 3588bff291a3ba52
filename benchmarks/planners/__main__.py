"""``python -m benchmarks.planners``: see :mod:`benchmarks.planners.command`."""

import sys

from benchmarks.planners.orphan import end_with_parent

if __name__ == "__main__":
    end_with_parent()  # before anything slow is imported
    from benchmarks.planners.command import main

    sys.exit(main())
