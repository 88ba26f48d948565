"""Where tasks run."""

DEFAULT = "processes(workers=1)"
"""Of the command line and of pytest: one process that a plug-in may crash or hang, with every core."""
