"""Open a saved extractor of any family by what its folder holds."""

from pathlib import Path

from ganamis.contracts import Extractor
from ganamis.errors import UserError
from ganamis.extractors.discriminant import AXES_FILE, PART, Discriminant
from ganamis.extractors.exported import GRAPH_FILE
from ganamis.extractors.fusion import FUSION_FILE, Fusion
from ganamis.extractors.network import NetworkExtractor
from ganamis.extractors.residual_network import ARRAYS_FILE, ResidualNetwork
from ganamis.extractors.residual_statistics import STATISTICS_FILE, ResidualStatistics
from ganamis.extractors.simulated_network import WEIGHTS_FILE, SimulatedNetwork, shipped_folder
from ganamis.extractors.spectrum import SPECTRUM_FILE, Spectrum
from ganamis.files import read_json


def load_extractor(folder: Path) -> Extractor:
    """Read what an extractor's `save` wrote.

    Raises:
        UserError: the folder holds no extractor.
    """
    if (folder / GRAPH_FILE).exists():
        return NetworkExtractor.load(folder)
    if (folder / ARRAYS_FILE).exists():
        return ResidualNetwork.load(folder)
    if (folder / SPECTRUM_FILE).exists():
        return Spectrum.load(folder)
    if (folder / WEIGHTS_FILE).exists():
        return SimulatedNetwork.load(folder)
    if (folder / STATISTICS_FILE).exists():
        return ResidualStatistics.load(folder)
    if (folder / AXES_FILE).exists():
        return Discriminant.load(folder, load_extractor(folder / PART))
    if (folder / FUSION_FILE).exists():
        scales = read_json(folder / FUSION_FILE, stage="train")["scales"]
        parts = tuple(load_extractor(folder / f"part-{index}") for index in range(len(scales)))
        return Fusion(parts, tuple(scales))
    raise UserError(f"'{folder}' holds no extractor; run `ganamis train` again")


def shipped_fingerprint() -> Extractor:
    """The extractor that comes with the package; its `card.json` says how it was made."""
    return load_extractor(shipped_folder())
