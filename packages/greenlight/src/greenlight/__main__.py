"""``python -m greenlight`` is ``greenlight``."""

from greenlight.cli import main

main()
