"""`train-zoo`: train one generator of the zoo anew; not part of the default pipeline."""

from dataclasses import asdict

from ganamis.errors import UserError
from ganamis.files import try_output
from ganamis.params import Params
from ganamis.stages.paths import WORK
from ganamis.tracking import runs
from ganamis.zoo.generators import GENERATORS
from ganamis.zoo.training import train


def train_zoo(generator: str, params: Params) -> None:
    """Train `generator` into `work/zoo`, going on from its checkpoint, and log its card."""
    if generator not in GENERATORS:
        raise UserError(
            f"generator '{generator}' is unknown; choose one of {', '.join(GENERATORS)}"
        )
    folder = WORK / "zoo"
    try_output(folder, folder=True)
    with runs.stage_run(
        "train-zoo", name=generator, params={"generator": generator}, tags={"generator": generator}
    ):
        try:
            card = asdict(train(generator, folder=folder))
        except ModuleNotFoundError as error:
            raise UserError(str(error)) from error
        runs.log_card(card, [folder / f"{generator}.{kind}" for kind in ("csv", "json", "npz")])
    print(f"Trained {generator} in {card['wall_seconds']} s; weights are in '{folder}'.")
