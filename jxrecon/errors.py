"""The one exception that means: what the user gave cannot be used."""


class InputError(ValueError):
    """Bad input: one line that names the file, dataset or key, what was found and what was expected.

    The command line prints the message alone and exits with code 2; a traceback appears only with `--debug`.
    """
