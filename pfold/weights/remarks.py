"""What every product says of the weights it was made with, where these make no predictions."""

from pfold.weights.published import UNTRAINED

# Kinds of weights besides UNTRAINED, as tables and receipts name them.
PUBLISHED, DEMONSTRATION = "published", "demonstration"

UNTRAINED_REMARK = (
    "UNTRAINED WEIGHTS: made with random stand-in weights to test the software. This is not a structure prediction."
)
DEMONSTRATION_REMARK = "DEMONSTRATION WEIGHTS: they recall the proteins they were trained on, and are no predictor."


def weights_remark(kind: str) -> str:
    """What is to be said of products made with weights of a kind; "" for published ones."""
    return {UNTRAINED: UNTRAINED_REMARK, DEMONSTRATION: DEMONSTRATION_REMARK}.get(kind, "")
