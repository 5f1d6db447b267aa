"""How any experiment is drawn and written."""
