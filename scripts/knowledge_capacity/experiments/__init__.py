"""One module per experiment: its figure and its table, computed from the measurements alone."""
