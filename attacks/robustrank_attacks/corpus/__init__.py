"""Attacks that add documents to the corpus."""
