"""Which documents a ranker gets to see."""
