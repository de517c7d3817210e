"""`ship`: fit the model that comes with the package, on the zoo's generators."""

import numpy as np
from rich.progress import track

from ganamis.contracts import CLEAN
from ganamis.extractors.loading import shipped_fingerprint
from ganamis.files import whole_folder, write_json
from ganamis.model.catalogue import fit_on_images
from ganamis.model.shipped import shipped_folder
from ganamis.model.storage import save_model
from ganamis.params import Params
from ganamis.zoo.generators import GENERATORS
from ganamis.zoo.sampling import sample_images


def drawn_zoo(params: Params) -> tuple[np.ndarray, np.ndarray]:
    """Images `[N, H, W]` uint8 of every generator of the zoo, and their names `[N]`."""
    numbers = params.ship
    drawn = {
        name: sample_images(name, numbers.images, seed=params.seed + place)
        for place, name in enumerate(track(sorted(GENERATORS), description="Drawing"))
    }
    return np.concatenate(list(drawn.values())), np.repeat(list(drawn), numbers.images)


def ship(params: Params) -> None:
    """Draw images of every generator of the zoo, fit the model and put it into the package."""
    images, names = drawn_zoo(params)
    conditions = (CLEAN, *params.active.degradations)
    model = fit_on_images(
        shipped_fingerprint(),
        images,
        names,
        conditions=conditions,
        settings=params.model,
        seed=params.seed,
    )
    with whole_folder(shipped_folder()) as folder:
        save_model(model, folder)
        card = {
            "generators": sorted(GENERATORS),
            "images_of_each": params.ship.images,
            "conditions": conditions,
            "seed": params.seed,
            "command": "python -m ganamis ship",
        }
        write_json(folder / "card.json", card)
    print(f"Wrote '{shipped_folder()}'.")
