"""People, their biographies, and the token stream that models are trained on."""
