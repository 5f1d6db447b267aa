"""A trained model to a row of measurements: losses, bits, intervals over people, checks of the instrument."""
