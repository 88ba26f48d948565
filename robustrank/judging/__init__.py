"""Limits and differences of figures."""
