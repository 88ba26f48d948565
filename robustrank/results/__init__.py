"""The schema of summary.json, and the questions asked of it."""
