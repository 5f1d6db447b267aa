"""From losses to bits of knowledge, with intervals."""
