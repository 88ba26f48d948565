"""Attacks that replace words of a document."""
