"""Extractors by name, with the numbers of the active profile and no others."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from ganamis.errors import UserError
from ganamis.extractors.architectures import NETWORKS, depths
from ganamis.extractors.candidates import (
    NAMED,
    candidate,
    extractor_name,
    recipe_of,
    search_of,
)
from ganamis.extractors.loading import load_extractor
from ganamis.params import FingerprintValues, Hyperparameters, Params
from tests.builders import PARAMS

RECIPES = {
    "paper": ("training", "search", "space", "first_trial"),
    "fingerprint": ("fingerprint", "search"),
}


def changed(profile: str, **sections: Any) -> Params:
    content = PARAMS.model_dump()
    content["profile"] = profile
    content["profiles"][profile] |= sections
    return Params.model_validate(content)


@pytest.mark.parametrize("profile", ["two_cores", "paper"])
@pytest.mark.parametrize("recipe", ["paper", "fingerprint"])
@pytest.mark.parametrize("name", NETWORKS)
def test_settings_hold_this_network_and_recipe_and_no_other(
    name: str, recipe: str, profile: str
) -> None:
    settings = candidate(f"{name}_{recipe}", changed(profile)).settings
    expected = PARAMS.profiles[profile].model_dump()  # type: ignore[index]
    digest = settings.pop("weights_digest")
    network = {"network": expected["extractors"][f"{name}_{recipe}"]}
    assert settings == {key: expected[key] for key in RECIPES[recipe]} | network
    assert (digest != "none") == (network["network"]["weights"] == "simulated")


def test_drawn_values_lie_in_the_space_and_are_hyperparameters() -> None:
    drawn = []
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = PARAMS.active.space
    for _ in range(50):
        point = Hyperparameters(**candidate("vgg19_paper", PARAMS).suggest(study.ask()))
        drawn.append(point)
        for name in ("learning_rate", "dropout", "weight_decay"):
            bounds = getattr(space, name)
            assert bounds.low <= getattr(point, name) <= bounds.high
    assert {point.augmentation for point in drawn} == set(space.augmentation)
    assert {point.trainable_share for point in drawn} == set(space.trainable_share)
    assert sum(point.learning_rate < 2e-4 for point in drawn) > 15  # drawn on a log scale


def test_first_trial_is_the_papers_own_setting() -> None:
    (first,) = candidate("resnet50_paper", PARAMS).first
    assert Hyperparameters(**first) == PARAMS.active.first_trial
    assert set(first) == set(Hyperparameters.model_fields)


def test_each_recipe_has_its_number_of_trials() -> None:
    profile = PARAMS.active
    assert search_of("vgg19_paper", profile).trials == profile.training.trials
    assert search_of("vgg19_fingerprint", profile).trials == profile.fingerprint.trials
    assert search_of("spectrum", profile) == profile.search


def test_a_fingerprint_is_searched_over_depth_crop_and_loss() -> None:
    chosen = candidate("resnet50_fingerprint", PARAMS)
    network, space = PARAMS.active.extractors.resnet50_fingerprint, PARAMS.active.fingerprint.space
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [FingerprintValues(**chosen.suggest(study.ask())) for _ in range(40)]
    for name, allowed in (
        ("depth", network.depths),
        ("crop", network.crops),
        ("loss", space.loss),
    ):
        assert {getattr(point, name) for point in drawn} == set(allowed)
        assert chosen.first[0][name] == allowed[0]
    tried = [(values["depth"], values["loss"]) for values in chosen.first]
    assert sorted(tried) == sorted(product(network.depths, space.loss))  # a short search sees all
    assert set(network.depths) <= set(depths("resnet50"))
    assert chosen.degradations == tuple(PARAMS.active.fingerprint.degradations)


@pytest.mark.parametrize(
    ("architecture", "recipe", "name", "parts"),
    [
        ("custom_cnn", "paper", "custom_cnn_paper", ("custom_cnn", "paper")),
        ("vgg19_fingerprint", NAMED, "vgg19_fingerprint", ("vgg19", "fingerprint")),
        ("spectrum", NAMED, "spectrum", ("spectrum", "spectrum")),
        ("residual_network", NAMED, "residual_network", ("residual_network",) * 2),
    ],
)
def test_an_extractors_name_is_architecture_and_recipe(
    architecture: str, recipe: str, name: str, parts: tuple[str, str]
) -> None:
    assert extractor_name(architecture, recipe) == name
    assert recipe_of(name) == parts


def test_unknown_name_is_refused() -> None:
    with pytest.raises(UserError, match="^architecture 'alexnet' is unknown; choose one of "):
        candidate("alexnet", PARAMS)


def test_a_weights_file_counts_by_its_content(tmp_path: Path) -> None:
    weights = tmp_path / "vgg19.weights.h5"
    extractors = PARAMS.active.extractors.model_dump()
    extractors["vgg19_fingerprint"]["weights"] = str(weights)
    params = changed("two_cores", extractors=extractors)
    digests = set()
    for content in (b"first", b"second", b"first"):
        weights.write_bytes(content)
        digests.add(candidate("vgg19_fingerprint", params).settings["weights_digest"])
    assert len(digests) == 2


def test_fingerprint_extractors_are_saved_and_opened_again(tmp_path: Path) -> None:
    """Fitted for a moment on real pixels; what is opened embeds as what was saved."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (8, 96, 96), dtype=np.uint8)
    labels = np.repeat([0, 1], 4)
    extractors = PARAMS.active.extractors.model_dump()
    for name in ("residual_network", "fusion"):
        extractors[name] |= {"search_steps": 1, "generators_share": 2, "channels": [4, 4, 4]}
    params = changed("two_cores", extractors=extractors)
    for name in ("spectrum", "residual_network", "fusion"):
        chosen = candidate(name, params)
        values = chosen.suggest(optuna.create_study().ask())
        extractor = chosen.fit(images, labels, values, classes=2)
        extractor.save(tmp_path / name)
        opened = load_extractor(tmp_path / name)
        assert opened.views == extractor.views
        np.testing.assert_array_equal(opened.embed(images), extractor.embed(images))
        assert chosen.degradations == tuple(params.active.degradations)


def test_weights_that_come_with_the_package_are_part_of_the_settings() -> None:
    content = PARAMS.model_dump()
    digests = {
        _with_weights(content, name, "simulated").settings["weights_digest"] for name in NETWORKS
    }
    assert len(digests) == len(NETWORKS) and "none" not in digests


def _with_weights(content: dict[str, Any], name: str, weights: str) -> Any:
    content["profiles"]["two_cores"]["extractors"][f"{name}_fingerprint"]["weights"] = weights
    return candidate(f"{name}_fingerprint", Params.model_validate(content))
