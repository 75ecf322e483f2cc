"""Errors that reach the user: their messages say what, where and what to do next."""


class PfoldError(Exception):
    """Base of all errors that pfold raises on purpose; the command line prints them without a traceback."""


class InputError(PfoldError):
    """A file, record or sequence that can't be folded."""


class ConfigError(PfoldError):
    """A configuration key or value, or a command-line option, that is wrong."""


class WeightsError(PfoldError):
    """A checkpoint that is missing, damaged or not the model's."""


class SearchError(PfoldError):
    """A homology search that can't run."""


# Exit codes: 1 targets were not folded, 2 wrong usage or configuration, 3 bad input, 4 weights, 5 search.
EXIT_CODES: tuple[tuple[type[PfoldError], int], ...] = (
    (ConfigError, 2),
    (InputError, 3),
    (WeightsError, 4),
    (SearchError, 5),
    (PfoldError, 1),
)


def exit_code(error: PfoldError) -> int:
    """The process exit code of an error."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
