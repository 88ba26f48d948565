"""Rankers that ask a language model, over one small interface that every back end satisfies."""
