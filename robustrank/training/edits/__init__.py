"""Edits of what a student reads that need parts of the harness."""
