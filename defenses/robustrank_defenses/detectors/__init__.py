"""Detectors: from a document, and what they ask to see beside it, to a number that is higher for what is suspicious."""
