"""Plug-ins of training: optimizers."""
