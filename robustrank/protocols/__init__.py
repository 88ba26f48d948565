"""Evaluation protocols: records in, pieces of the summary out. Nothing here scores anything."""
