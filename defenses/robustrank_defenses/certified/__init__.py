"""Defenses whose rankers certify their lists."""
