"""Training rankers: from a file that describes a run completely to a folder that the rankers load."""
