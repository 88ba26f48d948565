"""RobustRank audits ranking models: on average, out of distribution, under attack, and what can be proved."""
