"""The schema of summary.json, and queries over it."""
