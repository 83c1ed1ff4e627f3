"""The step-by-step methods of the literature, as baseline and as first guess."""
