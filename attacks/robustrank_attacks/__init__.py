"""The attacks that come with RobustRank, one file each."""
