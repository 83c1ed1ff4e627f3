"""One measurement each: pure functions, and one Module that binds them to a Geometry."""
