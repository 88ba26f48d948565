"""Runs an audit: phases, targets, cost estimate, session and the loop over tasks."""
