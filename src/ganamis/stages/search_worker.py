"""`search-worker`: run trials of a search that `train` has begun on a shared database."""

from ganamis.errors import UserError
from ganamis.extractors.candidates import candidate
from ganamis.extractors.shared_storage import EXAMPLE, STORAGE_VARIABLE, storage_url
from ganamis.params import Params
from ganamis.stages.paths import read_ingested
from ganamis.stages.train import development_set, share, study_key


def search_worker(architecture: str, params: Params) -> None:
    """Run trials of the shared search of `architecture` until enough have finished.

    Nothing but the trials is written: `train` tracks them, fits the best and embeds.

    Raises:
        UserError: no shared storage is named, or it has no search from this data, these
            parameters and this seed.
    """
    url = storage_url()
    if url is None:
        raise UserError(f"{STORAGE_VARIABLE} is not set; set it to {EXAMPLE}, as for `train`")
    chosen = candidate(architecture, params)
    data = read_ingested(params)
    best = share(
        url,
        architecture,
        study_key(chosen, data, params),
        chosen,
        development_set(data, chosen.degradations, params),
        params,
        create=False,
        finished=lambda trial: None,
    )
    print(f"The search has finished; best open-world development ARI {best.value:.4f}.")
