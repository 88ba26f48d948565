"""Rankers, one family a file."""
