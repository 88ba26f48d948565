"""Edits of what a student reads in training, and rankers that were trained to withstand such edits."""
