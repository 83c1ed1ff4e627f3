"""Reference and fast version of each heavy operation under one signature; the only home of custom_vjp."""
