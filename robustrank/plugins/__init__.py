"""Names to plug-ins, and what is installed."""
