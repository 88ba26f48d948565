"""Records in, results out."""
