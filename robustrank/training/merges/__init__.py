"""Plug-ins of training: merges."""
