"""The verbs of the command line, one file each: `options(parser)` and `main(options) -> exit code`."""
