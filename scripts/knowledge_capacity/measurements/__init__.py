"""Rows of measurements to one table: reading, columns, filters, learning rates, and where tables come from."""
