"""Attacks that insert words into a document."""
