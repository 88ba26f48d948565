"""Collection loaders, one format a file."""
