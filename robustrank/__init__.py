"""RobustRank audits ranking models: how they do on average, out of distribution, under attack, and what can be proved."""
