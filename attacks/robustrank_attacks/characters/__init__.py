"""Attacks on characters that readers do not see, or take for others."""
