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
