"""One term of the objective each."""
