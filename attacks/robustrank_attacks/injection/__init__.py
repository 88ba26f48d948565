"""Injection: text in a document that speaks to the model that ranks it."""
