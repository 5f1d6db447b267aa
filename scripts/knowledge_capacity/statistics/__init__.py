"""The table to numbers with intervals: over seeds, in pairs, as ratios, as capacities. No model is needed here."""
