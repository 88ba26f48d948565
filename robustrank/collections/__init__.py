"""Reads and checks test collections."""
