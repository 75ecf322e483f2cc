"""Confidence scores from the model's logits, in numpy (AF3 supplement, sections 4.3 and 5.9)."""

from pfold.confidence.bins import contact_probabilities
from pfold.confidence.pairs import PairConfidence
from pfold.confidence.summary import confidence_of_sample

__all__ = ["PairConfidence", "confidence_of_sample", "contact_probabilities"]
