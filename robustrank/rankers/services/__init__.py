"""What rankers behind HTTP share: the formats of services, and a client that retries and counts."""
