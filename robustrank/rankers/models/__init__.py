"""Loading, batching and differentiating neural models."""
