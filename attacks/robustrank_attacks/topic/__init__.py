"""Topic attacks: a surrogate of the victim, the edits as a Markov decision process, a policy, and searches."""
