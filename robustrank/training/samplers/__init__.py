"""Plug-ins of training: samplers."""
