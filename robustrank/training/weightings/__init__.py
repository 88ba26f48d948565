"""Plug-ins of training: weightings."""
