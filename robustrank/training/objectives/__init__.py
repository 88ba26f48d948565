"""Plug-ins of training: objectives."""
