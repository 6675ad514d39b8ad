"""From embeddings to labels: retrieval, random walk, votes and refinement."""
