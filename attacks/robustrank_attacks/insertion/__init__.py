"""Attacks that put new words into a document."""
