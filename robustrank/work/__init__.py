"""One task, one record."""
