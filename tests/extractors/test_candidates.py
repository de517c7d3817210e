"""Extractors by name, with the numbers of the active profile and no others."""

from typing import Any

import optuna
import pytest

from ganamis.errors import UserError
from ganamis.extractors.architectures import NETWORKS
from ganamis.extractors.candidates import candidate
from ganamis.params import Hyperparameters, Params
from tests.builders import PARAMS


def changed(profile: str, **sections: Any) -> Params:
    content = PARAMS.model_dump()
    content["profile"] = profile
    content["profiles"][profile] |= sections
    return Params.model_validate(content)


@pytest.mark.parametrize("profile", ["two_cores", "paper"])
@pytest.mark.parametrize("name", NETWORKS)
def test_settings_hold_this_network_and_no_other(name: str, profile: str) -> None:
    settings = candidate(name, changed(profile)).settings
    expected = PARAMS.profiles[profile].model_dump()  # type: ignore[index]
    networks = expected.pop("extractors")
    assert settings == {**expected, "network": networks[name]}


def test_drawn_values_lie_in_the_space_and_are_hyperparameters() -> None:
    drawn = []
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = PARAMS.active.space
    for _ in range(50):
        point = Hyperparameters(**candidate("vgg19", PARAMS).suggest(study.ask()))
        drawn.append(point)
        for name in ("learning_rate", "dropout", "weight_decay"):
            bounds = getattr(space, name)
            assert bounds.low <= getattr(point, name) <= bounds.high
    assert {point.augmentation for point in drawn} == set(space.augmentation)
    assert {point.trainable_share for point in drawn} == set(space.trainable_share)
    assert sum(point.learning_rate < 2e-4 for point in drawn) > 15  # drawn on a log scale


def test_first_trial_is_the_papers_own_setting() -> None:
    assert Hyperparameters(**candidate("resnet50", PARAMS).first) == PARAMS.active.first_trial
    assert set(candidate("resnet50", PARAMS).first) == set(Hyperparameters.model_fields)


def test_unknown_name_is_refused() -> None:
    with pytest.raises(UserError, match="^architecture 'alexnet' is unknown; choose one of "):
        candidate("alexnet", PARAMS)
