"""Types, protocols and conventions that all packages share; standard library only."""
