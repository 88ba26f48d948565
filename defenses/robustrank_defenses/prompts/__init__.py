"""Defenses of rankers that show documents to a language model."""
