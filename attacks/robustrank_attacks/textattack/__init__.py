"""The bridge to TextAttack's searches and recipes."""
