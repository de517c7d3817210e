"""Open a saved extractor of any family by what its folder holds."""

from pathlib import Path

from ganamis.contracts import Extractor
from ganamis.errors import UserError
from ganamis.extractors.network import MODEL_FILE, NetworkExtractor
from ganamis.extractors.spectrum import SPECTRUM_FILE, Spectrum


def load_extractor(folder: Path) -> Extractor:
    """Read what an extractor's `save` wrote.

    Raises:
        UserError: the folder holds no extractor.
    """
    if (folder / MODEL_FILE).exists():
        return NetworkExtractor.load(folder)
    if (folder / SPECTRUM_FILE).exists():
        return Spectrum.load(folder)
    raise UserError(f"'{folder}' holds no extractor; run `ganamis train` again")
