"""The effectiveness of a list, and what missing judgments leave open."""
