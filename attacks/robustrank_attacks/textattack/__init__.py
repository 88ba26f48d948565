"""Adapters to TextAttack's searches and recipes."""
