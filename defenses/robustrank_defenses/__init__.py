"""The defenses that come with RobustRank, one file each."""
