"""The decoder, its parts and its parameter count."""
