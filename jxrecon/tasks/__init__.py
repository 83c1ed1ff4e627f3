"""Runs that are no descent on frames: one file for each."""
