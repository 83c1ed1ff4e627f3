"""Readers and writers, each ending in (Geometry, Measurement)."""
