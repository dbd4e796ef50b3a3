"""Groups voices by speaker: how many there are, and which is whose.

Auto-tuning spectral clustering by the normalised maximum eigengap: Park et al. 2020, arXiv:2003.02405. It is cubic,
so a long recording is clustered in blocks, whose centroids are then joined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transcription.diarization.types import SpeakerCount

Array = NDArray[np.float32]
Labels = NDArray[np.int64]

BLOCK = 600
"""Voices in a block: 450 s of speech."""

SHORT = 40
"""Fewer voices (30 s) are clustered by average linkage alone: neighbourhoods are too small to tell groups apart."""

LINKED, LINKED_TELEPHONE = 0.72, 0.60
"""The distance (1 - cosine) below which voices of 1.5 s are joined; where high frequencies are missing, they are more
alike."""

SAME_SPEAKER, SAME_SPEAKER_TELEPHONE = 0.45, 0.69
"""The cosine above which two centroids are one speaker."""

LEAST_VOICES = 4
"""A cluster with fewer of them (3 s) is given to the nearest other one."""


def cluster(voices: Array, count: SpeakerCount, telephone: bool = False) -> Array:
    """Returns the speakers' centroids, shape (k, 192), each of length 1. voices: shape (n, 192), n ≥ 1."""
    if len(voices) < SHORT:
        threshold = 1 - (LINKED_TELEPHONE if telephone else LINKED)
        return centroids(voices, linkage(voices, threshold, count))
    found, sizes = [], []
    for block in np.array_split(voices, -(-len(voices) // (BLOCK * 3 // 2)) if len(voices) > BLOCK * 3 // 2 else 1):
        labels = spectral(block, count if len(block) == len(voices) else SpeakerCount(1, count.maximum))
        found.append(centroids(block, labels))
        sizes.append(np.bincount(labels))
    every, weights = np.concatenate(found), np.concatenate(sizes).astype(np.float64)
    labels = joined_centroids(every, weights, SAME_SPEAKER_TELEPHONE if telephone else SAME_SPEAKER, count)
    joined, sizes_of = _refined(voices, centroids(every, labels, weights))
    kept = _large(sizes_of, count.minimum)
    return _refined(voices, joined[kept])[0]


def nearest(voices: Array, speakers: Array) -> Labels:
    """Returns the index of the nearest centroid for each voice."""
    labels: Labels = (voices @ speakers.T).argmax(axis=1)
    return labels


def centroids(voices: Array, labels: Labels, weights: NDArray[np.float64] | None = None) -> Array:
    """Returns the means of the labelled voices, each of length 1, shape (labels, 192)."""
    one_hot = np.eye(labels.max() + 1, dtype=np.float32)[labels]
    sums = (one_hot if weights is None else one_hot * weights[:, None].astype(np.float32)).T @ voices
    normed: Array = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return normed


def linkage(voices: Array, least: float, count: SpeakerCount) -> Labels:
    """Joins the two groups that are most alike on average until no two have a mean cosine of `least`, within the
    bounds of the count, and returns each voice's group.
    """
    likeness = (voices @ voices.T).astype(np.float64)
    np.fill_diagonal(likeness, -np.inf)
    sizes = np.ones(len(voices))
    groups = np.arange(len(voices))
    for left in range(len(voices), 1, -1):
        first, second = sorted(np.unravel_index(likeness.argmax(), likeness.shape))
        if left <= count.minimum or (likeness[first, second] < least and left <= count.maximum):
            break
        share = sizes[second] / (sizes[first] + sizes[second])
        merged = likeness[first] * (1 - share) + likeness[second] * share
        likeness[first], likeness[:, first] = merged, merged
        likeness[second], likeness[:, second] = -np.inf, -np.inf
        likeness[first, first] = -np.inf
        sizes[first] += sizes[second]
        groups[groups == second] = first
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def joined_centroids(every: Array, weights: NDArray[np.float64], least: float, count: SpeakerCount) -> Labels:
    """Joins the two groups whose centroids are most alike until no two have a cosine of `least`, within the bounds of
    the count, and returns each centroid's group. The more voices are in two centroids of one speaker, the more alike
    they are.
    """
    labels = np.arange(len(every))
    for left in range(len(every), count.minimum, -1):
        groups = centroids(every, labels, weights)
        likeness = groups @ groups.T
        np.fill_diagonal(likeness, -np.inf)
        first, second = np.unravel_index(likeness.argmax(), likeness.shape)
        if likeness[first, second] < least and left <= count.maximum:
            break
        labels = np.unique(np.where(labels == second, first, labels), return_inverse=True)[1]
    return labels


def spectral(voices: Array, count: SpeakerCount) -> Labels:
    """Returns each voice's group, by as many eigenvectors of the best neighbourhood's Laplacian as there are groups."""
    total = len(voices)
    likeness = voices @ voices.T
    order = np.argsort(-likeness, axis=1)
    most = min(count.maximum, total - 1)
    best: tuple[float, int, NDArray[np.float32]] | None = None
    for neighbours in np.unique(np.geomspace(5, max(6, total // 4), 10).astype(int)):
        laplacian = _laplacian(order, int(neighbours))
        values = np.linalg.eigvalsh(laplacian)
        gaps = np.diff(values[: most + 1])[count.minimum - 1 :]
        if not len(gaps):
            return np.arange(total) % total
        gap = float(gaps.max()) / max(float(values[-1]), 1e-9)
        ratio = neighbours / max(gap, 1e-9)
        if best is None or ratio < best[0]:
            best = (ratio, int(gaps.argmax()) + count.minimum, laplacian)
    assert best is not None
    _, groups, laplacian = best
    if groups == 1:
        return np.zeros(total, np.int64)
    return _k_means(np.linalg.eigh(laplacian)[1][:, :groups].astype(np.float32), groups)


def _laplacian(order: Labels, neighbours: int) -> NDArray[np.float32]:
    total = len(order)
    near = np.zeros((total, total), np.float32)
    np.put_along_axis(near, order[:, :neighbours], 1.0, axis=1)
    near = (near + near.T) * np.float32(0.5)
    np.fill_diagonal(near, 0)
    return np.diag(near.sum(axis=1)) - near


def _k_means(points: NDArray[np.float32], groups: int) -> Labels:
    """Returns the best of eight runs of k-means, whose beginnings are drawn with fixed seeds (k-means++)."""
    best: tuple[float, Labels] | None = None
    for seed in range(8):
        random = np.random.default_rng(seed)
        centres: NDArray[np.float32] = points[[int(random.integers(len(points)))]]
        while len(centres) < groups:
            near = _distances(points, centres).min(axis=1).astype(np.float64) + 1e-12
            chosen = int(random.choice(len(points), p=near / near.sum()))
            centres = np.concatenate([centres, points[[chosen]]])
        for _ in range(50):
            distances = _distances(points, centres)
            labels = distances.argmin(axis=1)
            moved = np.stack([points[labels == k].mean(axis=0, dtype=np.float32) if (labels == k).any() else centres[k]
                              for k in range(groups)])  # fmt: skip
            if np.allclose(moved, centres):
                break
            centres = moved.astype(np.float32)
        cost = float(distances.min(axis=1).sum())
        if best is None or cost < best[0]:
            best = (cost, labels)
    assert best is not None
    return np.unique(best[1], return_inverse=True)[1].astype(np.int64)


def _distances(points: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = ((points[:, None] - centres) ** 2).sum(axis=2)
    return found


def _refined(voices: Array, speakers: Array) -> tuple[Array, NDArray[np.int64]]:
    """Returns the centroids after each voice went to its nearest one, without those that got none; and their sizes."""
    labels = np.unique(nearest(voices, speakers), return_inverse=True)[1]
    return centroids(voices, labels), np.bincount(labels)


def _large(sizes: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Returns the indices of the clusters that are large enough, or of the `least` largest."""
    by_size = np.argsort(-sizes, kind="stable")
    enough = max(int((sizes >= LEAST_VOICES).sum()), min(least, len(sizes)), 1)
    return np.sort(by_size[:enough])
