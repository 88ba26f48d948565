"""A sample of a plug-in package from outside the RobustRank repository."""
