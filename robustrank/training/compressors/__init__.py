"""Plug-ins of training: compressors."""
