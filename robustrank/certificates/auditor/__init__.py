"""Looks for attack sets and distributions that break a certificate rule."""
