"""Our own lists of names, places, institutions and sentence templates."""
