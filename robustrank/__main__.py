"""``python -m robustrank``: the command line."""

from robustrank.cli.main import main

main()
