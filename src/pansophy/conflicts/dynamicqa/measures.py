"""The mathematics of DYNAMICQA: coherent persuasion and semantic entropy, in nats, on arrays.

`coherent_persuasion` is the paper's CP score, `semantic_entropy` the Monte-Carlo form of its code (Kuhn et al. 2023,
arXiv 2302.09664, with their constant), `discrete_entropy` the entropy of the clusters' shares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pansophy.conflicts.clusters import Clusters
from pansophy.conflicts.sampling import FloatArray

SHIFT = 5.0
"""What the code takes from each cluster's log-likelihood (`llh_shift`)."""


def cluster_means(distributions: FloatArray, clusters: Clusters) -> FloatArray:
    """The mean distribution of each cluster: [samples, vocabulary] -> [clusters, vocabulary]."""
    return np.stack([distributions[list(cluster)].mean(axis=0) for cluster in clusters])


def kl_divergence(p: FloatArray, q: FloatArray) -> float:
    """KL(p || q) of two distributions [vocabulary]; tokens that either gives no mass are left out, as in the code."""
    both = (p > 0) & (q > 0)
    known = p[both].astype(np.float64)
    return float(np.sum(known * np.log(known / q[both])))


def coherent_persuasion(
    with_context: FloatArray, clusters_with: Clusters, without: FloatArray, clusters_without: Clusters
) -> float:
    """CP: how far a context moves the model, as the mean KL(with || without) over all pairs of clusters.

    Args:
        with_context: the samples' distributions, [samples, vocabulary].
        clusters_with: their clusters.
        without: the same for samples drawn without the context, on the same vocabulary.
        clusters_without: their clusters.
    """
    after, before = cluster_means(with_context, clusters_with), cluster_means(without, clusters_without)
    return float(np.mean([kl_divergence(one, other) for one in after for other in before]))


def semantic_entropy(log_likelihoods: Sequence[float], clusters: Clusters) -> float:
    """The code's semantic entropy: minus the mean of the clusters' log-likelihoods, each less `SHIFT`.

    Args:
        log_likelihoods: of each sample, the mean over its tokens.
        clusters: a sample that is in several counts in the last of them, as in the code.
    """
    masses = _log_masses(log_likelihoods, clusters)
    return float(-np.mean(masses - SHIFT))


def discrete_entropy(clusters: Clusters, log_likelihoods: Sequence[float] | None = None) -> float:
    """The entropy of the clusters' shares: 0 when all samples agree, ln 2 when halves disagree.

    Args:
        clusters: as above.
        log_likelihoods: of each sample; without them every sample weighs the same.
    """
    size = 1 + max(position for cluster in clusters for position in cluster)
    masses = _log_masses([0.0] * size if log_likelihoods is None else log_likelihoods, clusters)
    shares = np.exp(masses - masses.max())
    shares /= shares.sum()
    return float(-np.sum(shares * np.log(shares)))


def _log_masses(log_likelihoods: Sequence[float], clusters: Clusters) -> FloatArray:
    """ln of the sum of the members' likelihoods, for each cluster that is the last of some sample."""
    last = {position: number for number, cluster in enumerate(clusters) for position in cluster}
    members: dict[int, list[float]] = {}
    for position, number in last.items():
        members.setdefault(number, []).append(log_likelihoods[position])
    return np.array([np.logaddexp.reduce(one) for one in members.values()])
