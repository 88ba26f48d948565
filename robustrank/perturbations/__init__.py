"""What an attacker may do to a text, how it is metered and how it is checked."""
