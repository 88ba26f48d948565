"""Rankers, one family a file; heavy libraries are imported only there, and only when a ranker is built."""
