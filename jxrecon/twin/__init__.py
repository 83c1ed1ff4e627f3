"""The digital twin: a specimen with every truth, and its simulated measurements."""
