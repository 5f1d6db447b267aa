"""Planning a study under a budget: what runs cost, what claims need, and which runs to make."""
