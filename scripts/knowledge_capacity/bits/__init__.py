"""Bits per parameter of a model from elsewhere, beside a GPT-2 of its size: the question and the answer."""
