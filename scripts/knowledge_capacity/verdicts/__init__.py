"""What decides whether a claim of the paper is reproduced."""
