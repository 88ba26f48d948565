"""Back ends: where a language model runs, one a file."""
