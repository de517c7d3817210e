"""Whether an extractor has learned to tell the generators it was trained on."""

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis


def held_out_accuracy(features: np.ndarray, labels: np.ndarray, held_out: np.ndarray) -> float:
    """Share of held-out images whose generator a linear head on their features names.

    The head is a discriminant with a covariance shrunk as Ledoit and Wolf (2004) estimate, fitted
    on the other images; it stands in for the last layer, which recipes have or have not.

    Args:
        features: `[N, D]`, averaged over views. labels: `[N]`. held_out: `[N]` bool.
    """
    varies = features[~held_out].std(axis=0) > 0
    if not varies.any():
        return float(np.mean(labels[held_out] == labels[~held_out][0]))
    head = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    head.fit(features[~held_out][:, varies], labels[~held_out])
    return float(head.score(features[held_out][:, varies], labels[held_out]))
