"""Attacks that bring nothing new: they leave out or rearrange what the document says."""
