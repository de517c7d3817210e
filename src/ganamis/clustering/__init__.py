"""From embeddings to clusters, their number, and their scores."""
