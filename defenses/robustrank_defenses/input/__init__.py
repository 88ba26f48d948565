"""Defenses that clean what a ranker is given, and leave the ranker as it is."""
