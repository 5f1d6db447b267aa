"""The library of the study: how many bits of knowledge a language model stores per parameter."""
