"""The first stage: the candidates that a ranker reranks; and the types and features of queries."""
