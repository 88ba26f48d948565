"""Looks for attack sets and laws that break a certificate rule."""
