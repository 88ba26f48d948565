"""Nouns and conventions every room shares; standard library only."""
