"""Atomic writes, the journal of records, content hashes, and typed values to JSON and back."""
