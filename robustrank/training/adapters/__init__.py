"""Plug-ins of training: adapters."""
