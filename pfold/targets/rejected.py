"""The boundary of a record: whatever reading it raises is its own rejection."""

import logging

from pfold.errors import PfoldError, explain
from pfold.targets.types import Rejection

logger = logging.getLogger(__name__)


def rejected(error: Exception, name: str, source: str) -> Rejection:
    """The rejection of a record for what it raised; the log has the traceback of what was not raised on purpose."""
    if isinstance(error, PfoldError):
        return Rejection(name, str(error), source)
    rejection = Rejection(name, f"it can't be read: {explain(error)}", source)
    logger.warning("%s: unexpected", rejection.source, exc_info=error)
    return rejection
