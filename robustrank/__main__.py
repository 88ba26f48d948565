"""``python -m robustrank``: the command line."""

from robustrank.cli import main

main()
