"""Defenses that remember judged documents."""
