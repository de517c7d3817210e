"""From images to embeddings: one row of numbers per image."""
