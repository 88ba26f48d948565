"""Attacks on the query, and query variations."""
