"""Defenses that come with a certificate."""
