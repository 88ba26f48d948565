"""Plug-ins of training: lists."""
