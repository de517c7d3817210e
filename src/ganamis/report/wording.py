"""Sentences of the report page: what a picture shows, and what was not measured."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ganamis.contracts import Version
from ganamis.report.benchmark import shown
from ganamis.report.page import CLUSTERERS
from ganamis.report.parts import Group, and_list, count, number


def ari_chart(scores: pd.DataFrame) -> str:
    """What the chart of all scores shows."""
    ordered = scores.sort_values("ari", ascending=False)
    best = ordered.iloc[0]
    others = scores[scores["architecture"] != best["architecture"]]
    told = {"known": "the number of generators given", "unknown": "their number unknown"}
    text = (
        "Dot chart of the adjusted Rand index of every extractor and clusterer with 95 % "
        f"intervals. The highest is {best['architecture']} with "
        f"{CLUSTERERS.get(best['clusterer'], best['clusterer'])}, {told[best['mode']]}: "
        f"{number(best['ari'])}."
    )
    if others.empty:
        return text
    low, high = others["ari"].min(), others["ari"].max()
    return f"{text} The other extractors lie between {number(low)} and {number(high)}."


def spectra(names: Sequence[str], what: str) -> str:
    """What a row of mean spectra shows."""
    return (
        f"One square map of spatial frequencies for each {what}: {and_list(names)}. Red marks "
        "frequencies with more power than the mean of all, blue marks those with less."
    )


def own_spectra(names: Sequence[str]) -> str:
    """What a row of mean spectra shows, each compared with itself."""
    return (
        f"One square map of spatial frequencies for each of {and_list(names)}. Red marks "
        "frequencies with more power than others at the same distance from the centre."
    )


def embedding_map(groups: Sequence[Group], *, labelled: bool) -> str:
    """What the scatter plot shows."""
    sizes = and_list([f"{group.title} ({group.images})" for group in groups])
    beside = " Beside it the same images, coloured by true generator." if labelled else ""
    return f"Scatter plot of the test images, coloured by cluster: {sizes} images.{beside}"


def confusion(groups: Sequence[Group]) -> str:
    """The counts themselves."""
    rows = [
        f"{group.title}: " + ", ".join(f"{images} of {name}" for name, images in group.makers)
        for group in groups
    ]
    return "Images per cluster and true generator. " + "; ".join(rows) + "."


def dendrogram(linkage: np.ndarray, titles: Sequence[str]) -> str:
    """Which clusters join first and last; linkage: `[K - 1, 4]`, scipy's form."""
    members: list[list[str]] = [[title] for title in titles]
    for left, right, *_ in linkage:
        members.append(members[int(left)] + members[int(right)])
    first, last = linkage[0], linkage[-1]
    nearest = and_list(members[int(first[0])] + members[int(first[1])])
    text = (
        f"Tree of the clusters. {nearest} are the closest pair, {number(first[2], 1)} standard "
        "deviations apart."
    )
    if len(linkage) == 1:
        return text
    sides = sorted((members[int(last[0])], members[int(last[1])]), key=len)
    return (
        f"{text} {and_list(sides[0])} {'is' if len(sides[0]) == 1 else 'are'} farthest from the "
        f"rest, at {number(last[2], 1)}."
    )


def degradations(scores: pd.DataFrame) -> str:
    """What the degradation chart shows, for the headline combination."""
    first = shown(scores)[0]
    rows = scores[scores["series"] == first]
    means = rows.groupby("condition", sort=False)["ari"].mean()
    listing = and_list([f"{number(ari, 2)} for {name}" for name, ari in means.items()])
    return f"Line chart of the adjusted Rand index under degradations. {first}: {listing}."


def searches(trials: pd.DataFrame, shares: Mapping[str, float]) -> str:
    """What the chart of the searches shows."""
    best = trials.loc[trials["development_ari"].idxmax()]
    text = (
        f"Parallel coordinates of {count(len(trials), 'trial')}: stride, loss, crop and learning "
        f"rate, and the development ARI. The best is {best['architecture']} at stride "
        f"{best['depth']} by the {best['loss']} loss: {number(best['development_ari'])}."
    )
    if not shares:
        return text
    listing = [f"{name.replace('_', ' ')} {number(share, 2)}" for name, share in shares.items()]
    return f"{text} Importance: {and_list(listing)}."


def trend(versions: Sequence[Version]) -> str:
    """What the chart of all versions shows."""
    scored = [
        f"version {version.number} {number(version.ari)}"
        for version in versions
        if version.ari is not None
    ]
    return f"Dot chart of the adjusted Rand index of registered versions: {and_list(scored)}."


def missing(
    *,
    labelled: bool,
    benchmark: bool,
    compared: bool,
    untrained: Sequence[str],
    profile: str,
) -> tuple[str, ...]:
    """What this run did not measure, each with the way to measure it."""
    sentences = []
    if not labelled:
        sentences.append(
            "How right the clusters are: the data set has no test_labels.csv, so nothing here is "
            "scored. Names and clusters are the method's own claim."
        )
    if not benchmark:
        sentences.append(
            "What JPEG, resizing, noise, blur and gamma do to the result: run `ganamis benchmark "
            "FOLDER --out results/benchmark/scores.md --seeds 3` on a labelled folder, then "
            "`ganamis report`."
        )
    if labelled:
        sentences.append(
            "How much the result owes to the seed: this is one run with one seed. The intervals "
            "tell how scores vary with the choice of test images, not with another training."
        )
    if not compared:
        sentences.append(
            "Whether this model is better than an earlier one: the gate had no comparable champion."
        )
    if untrained:
        sentences.append(f"Extractors that were not trained in this run: {and_list(untrained)}.")
    if profile == "two_cores":
        sentences.append(
            "The networks at the paper's own training length: the profile two_cores trains the "
            "recipe paper for a few epochs on crops, from random weights; docs/paper.md has it at "
            "length."
        )
    sentences.append(
        "Generators, scanners and processing that are not in this data set. A fingerprint found "
        "here may be weaker elsewhere."
    )
    return tuple(sentences)
