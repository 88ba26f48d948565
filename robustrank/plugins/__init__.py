"""Finds, loads and describes the installed plug-ins."""
