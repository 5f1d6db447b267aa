"""Quantisation methods, one module each, all behind `variants.quantize`."""
