"""Topic attacks: one perturbation of one document that lifts it for a group of queries (RELEVANT)."""
