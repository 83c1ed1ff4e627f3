"""First guesses of all unknowns: from the measurement, from optics, from a file or from a classical engine."""
