"""Samples with the scores that take more than the model's output: the molecules they are of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pfold.chem.types import Assembly
from pfold.confidence.ranking import ranking_scores
from pfold.results.interfaces import ChainPairScores, chain_pair_scores
from pfold.results.sample import Sample


@dataclass(frozen=True)
class ScoredSample(Sample):
    """A sample whose summary has AlphaFold 3's ranking score, and its interface scores."""

    interfaces: ChainPairScores


def score_sample(sample: Sample, assembly: Assembly) -> ScoredSample:
    """Rank a sample as AlphaFold 3 does, and score its interfaces. Raises ValueError for one of another target."""
    if len(sample.coordinate) != assembly.n_atom:
        raise ValueError(f"{len(sample.coordinate)} atoms were predicted, but the target has {assembly.n_atom}")
    return ScoredSample(
        sample.seed,
        sample.number,
        sample.coordinate,
        {**sample.summary, **ranking_scores(sample.summary, assembly, sample.coordinate)},
        sample.full_data,
        chain_pair_scores(sample, assembly),
    )


def rank_samples(samples: Sequence[ScoredSample]) -> list[ScoredSample]:
    """Samples from best to worst ranking score; of equal ones the earlier first."""
    return sorted(samples, key=lambda s: -s.summary["ranking_score"])


def chain_pair_rows(summary: dict[str, Any], interfaces: ChainPairScores) -> list[dict[str, Any]]:
    """A row for each pair of chains, from the written summary and the scores of both directions together.

    chain_1, chain_2; iptm and pae_min (Å, the lower of both directions); interface scores, of polymers.
    """
    ids, scores = interfaces.chain_ids, interfaces.together()
    iptm, pae_min = summary["chain_pair_iptm"], summary["chain_pair_pae_min"]
    return [
        {
            "chain_1": ids[i],
            "chain_2": ids[j],
            "iptm": iptm[i][j],
            "pae_min": min(pae_min[i][j], pae_min[j][i]),
            **scores.get((i, j), {}),
        }
        for i in range(len(ids))
        for j in range(i + 1, len(ids))
    ]
