"""Test collections out of files."""
