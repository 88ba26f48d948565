"""Bytes on disk, whole or not at all, and values to JSON and back."""
