"""The audit file: its schema, reading and checking."""
