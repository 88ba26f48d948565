"""Pools: what was judged, what was not, and what the gaps could change. Runs and judgments in, numbers out."""
