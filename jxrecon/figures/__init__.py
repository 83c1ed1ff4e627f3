"""One function per figure, from a Result."""
