"""Reports on a whole study: pages for people to look at."""
