"""The five robustness tasks."""
