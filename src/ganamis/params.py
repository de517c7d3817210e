"""params.yaml as frozen, strict models: the only source of numbers."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ganamis.errors import UserError

PARAMS_FILE = Path("params.yaml")
OWN_KEY = "architectures"  # of our params.yaml, and of no other project's

ProfileName = Literal["two_cores", "paper"]
ExtractorName = Literal[
    "custom_cnn_paper",
    "custom_cnn_fingerprint",
    "efficientnet_paper",
    "efficientnet_fingerprint",
    "resnet50_paper",
    "resnet50_fingerprint",
    "mobilenetv2_paper",
    "mobilenetv2_fingerprint",
    "vgg19_paper",
    "vgg19_fingerprint",
    "xception_paper",
    "xception_fingerprint",
    "spectrum",
    "residual_network",
    "fusion",
]
Augmentation = Literal["none", "flips", "flips_and_noise"]


Degradations = list[
    Literal[
        "jpeg95",
        "jpeg90",
        "jpeg75",
        "resize90",
        "resize75",
        "noise1",
        "noise3",
        "blur07",
        "gamma13",
    ]
]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Data(Strict):
    root: str
    size: int = Field(ge=32)
    near_duplicate: float = Field(ge=0)


class Sample(Strict):
    development: dict[str, int] = Field(min_length=2)
    test: dict[str, int] = Field(min_length=1)


class Training(Strict):
    """Of the recipe `paper`. momentum: of batch normalisation's moving averages.

    trials: of its search, the first of which is the paper's own setting.
    """

    trials: int = Field(ge=1)
    epochs: int = Field(ge=1)
    search_epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    patience: int = Field(ge=1)
    momentum: float = Field(gt=0, lt=1)


class Search(Strict):
    """learned: least accuracy on held-out images for an extractor that may be selected.

    trials: of an extractor that is none of the six networks, whose recipes have their own.
    """

    trials: int = Field(ge=1)
    startup_trials: int = Field(ge=1)
    query_share: float = Field(gt=0, lt=1)
    held_out_share: float = Field(gt=0, lt=1)
    learned: float = Field(gt=0, le=1)


class Range(Strict):
    low: float
    high: float

    @model_validator(mode="after")
    def ordered(self) -> "Range":
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class LogRange(Range):
    """Drawn on a logarithmic scale."""

    low: float = Field(gt=0)


class ShareRange(Range):
    low: float = Field(ge=0)
    high: float = Field(lt=1)


class Space(Strict):
    """What Optuna searches for each network."""

    learning_rate: LogRange
    dropout: ShareRange
    weight_decay: LogRange
    augmentation: list[Augmentation] = Field(min_length=1)
    trainable_share: list[Annotated[float, Field(gt=0, le=1)]] = Field(min_length=1)


class Hyperparameters(Strict):
    """One point of the search space."""

    learning_rate: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    augmentation: Augmentation
    trainable_share: float = Field(gt=0, le=1)


class PaperNetwork(Strict):
    """A network by the recipe `paper`.

    weights: `imagenet`, `none`, or the path of a Keras weights file. crop: pixels.
    """

    weights: str
    crop: int = Field(ge=32)


class FingerprintNetwork(Strict):
    """A network by the recipe `fingerprint`.

    weights: as in the recipe `paper`, or `simulated`, which come with the package.
    depths: strides in pixels at which it may be read. crops: pixels it may be trained on and read
    from. The first of each is tried first.
    """

    weights: str
    depths: list[int] = Field(min_length=1)
    crops: list[Annotated[int, Field(ge=32)]] = Field(min_length=1)


Loss = Literal["contrastive", "softmax"]


class FingerprintValues(Strict):
    """One point of the search space of the recipe `fingerprint`."""

    depth: int
    crop: int
    loss: Loss
    learning_rate: float = Field(gt=0)


class FingerprintSpace(Strict):
    """What Optuna searches beside depth and crop."""

    loss: list[Loss] = Field(min_length=1)
    learning_rate: LogRange


class Fingerprint(Strict):
    """What the six networks share by the recipe `fingerprint`.

    views, steps: crops of an image that are embedded, and steps of training; search_views and
    search_steps in the search. generators_share: crops of each generator in a batch. momentum: of
    batch normalisation's moving averages. learning_rate: of the first trials.
    """

    trials: int = Field(ge=1)
    views: int = Field(ge=1)
    search_views: int = Field(ge=1)
    steps: int = Field(ge=1)
    search_steps: int = Field(ge=1)
    generators_share: int = Field(ge=2)
    momentum: float = Field(gt=0, lt=1)
    temperature: float = Field(gt=0)
    learning_rate: float = Field(gt=0)
    space: FingerprintSpace
    degradations: Degradations


class SpectrumValues(Strict):
    """Windows along each side, and the two frequency grids, in multiples of 1/period."""

    grid: int = Field(ge=1)
    coarse: int = Field(ge=2)
    fine: int = Field(ge=2)


class SpectrumSpace(Strict):
    grid: list[int] = Field(min_length=1)
    coarse: list[int] = Field(min_length=1)
    fine: list[int] = Field(min_length=1)


class SpectrumSettings(Strict):
    """Local log power spectra; see extractors/spectrum.py."""

    threads: int = Field(ge=1)
    first_trial: SpectrumValues
    space: SpectrumSpace


class ResidualValues(Strict):
    learning_rate: float = Field(gt=0)
    temperature: float = Field(gt=0)


class ResidualSpace(Strict):
    learning_rate: Range
    temperature: Range


class ResidualSettings(Strict):
    """The learned residual extractor; see extractors/residual_network.py."""

    channels: list[int] = Field(min_length=3, max_length=3)
    grid: int = Field(ge=1)
    crop: int = Field(ge=16)
    steps: int = Field(ge=1)
    search_steps: int = Field(ge=1)
    generators_share: int = Field(ge=2)
    first_trial: ResidualValues
    space: ResidualSpace


class Extractors(Strict):
    """The numbers of every extractor."""

    spectrum: SpectrumSettings
    residual_network: ResidualSettings
    fusion: ResidualSettings
    custom_cnn_paper: PaperNetwork
    custom_cnn_fingerprint: FingerprintNetwork
    efficientnet_paper: PaperNetwork
    efficientnet_fingerprint: FingerprintNetwork
    resnet50_paper: PaperNetwork
    resnet50_fingerprint: FingerprintNetwork
    mobilenetv2_paper: PaperNetwork
    mobilenetv2_fingerprint: FingerprintNetwork
    vgg19_paper: PaperNetwork
    vgg19_fingerprint: FingerprintNetwork
    xception_paper: PaperNetwork
    xception_fingerprint: FingerprintNetwork


class Profile(Strict):
    training: Training
    search: Search
    space: Space
    first_trial: Hyperparameters
    fingerprint: Fingerprint
    degradations: Degradations
    extractors: Extractors


class OpenWorldSearch(Strict):
    """Of the clusters themselves; see clustering/open_world.py."""

    dimensions: int = Field(ge=1)
    prior: float = Field(gt=0)
    threshold: float = Field(gt=0, lt=1)
    smallest: int = Field(ge=1)
    sample: int = Field(ge=2)


class OpenWorldSettings(Strict):
    """Of the space in which open-world clusters are sought; see clustering/nuisance.py."""

    components: int = Field(ge=1)
    dimensions: int = Field(ge=1)
    shrinkage: float = Field(ge=0, le=1)
    emphasis: float = Field(ge=0)
    content_weight: float = Field(ge=0)
    content_neighbours: int = Field(ge=1)
    condition_components: int = Field(ge=1)
    search: OpenWorldSearch


class Baselines(Strict):
    """Of the paper's and other clusterers, in a space whitened by development."""

    largest: int = Field(ge=2)
    components: int = Field(ge=1)
    shrinkage: float = Field(ge=0, le=1)


class Naming(Strict):
    """How clusters are named and single images attributed; see docs/method.md."""

    parts: int = Field(ge=2)
    independent: int = Field(ge=1)
    folds: int = Field(ge=1)


class ModelSettings(Strict):
    """Of the one model; they are stored with it."""

    sample: int = Field(ge=2)
    open_world: OpenWorldSettings
    baselines: Baselines
    naming: Naming


class Ship(Strict):
    """The model that comes with the package. images: of each generator of the zoo."""

    images: int = Field(ge=4)


class SimulatedWorld(Strict):
    """Of simulated generators. images: of each. bank: slices of content they all draw."""

    generators: int = Field(ge=8)
    images: int = Field(ge=4)
    bank: int = Field(ge=8)


class SearchLessons(Strict):
    """What `teach-search` learns from: draws of simulated folders; see model/drawing.py.

    world: of many generators; large: of many images of each. draws: of each round. counted: draws
    whose numbers of generators are judged. held_out: draws of the held-out world, for the figures
    on the card.
    """

    world: SimulatedWorld
    large: SimulatedWorld
    rounds: int = Field(ge=1)
    draws: int = Field(ge=8)
    counted: int = Field(ge=8)
    held_out: int = Field(ge=8)


class PretrainingNumbers(Strict):
    """Of the first layers of the six networks; see extractors/pretraining.py."""

    side: int = Field(ge=64, le=240)
    steps: int = Field(ge=1)
    every: int = Field(ge=1)
    rate: float = Field(gt=0)
    temperature: float = Field(gt=0)
    momentum: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def whole(self) -> "PretrainingNumbers":
        if self.steps % self.every:
            raise ValueError(f"{self.steps} steps are no multiple of every {self.every}")
        return self


class Simulated(Strict):
    """The network taught on simulated generators; see extractors/simulated_training.py.

    generators, crops, siblings, sides: of a batch; siblings are generators of one family.
    dimensions: of each part's projection, learned on `taught_images` of every generator.
    draws, draw: sets of so many generators of the held-out world that judge a checkpoint.
    """

    teaching: SimulatedWorld
    held_out: SimulatedWorld
    search: SearchLessons
    pretraining: PretrainingNumbers
    channels: list[int] = Field(min_length=1)
    sizes: list[int] = Field(min_length=1)
    strides: list[int] = Field(min_length=1)
    grid: int = Field(ge=1)
    steps: int = Field(ge=1)
    every: int = Field(ge=1)
    rate: float = Field(gt=0)
    temperature: float = Field(gt=0)
    generators: int = Field(ge=2)
    crops: int = Field(ge=2)
    siblings: int = Field(ge=1)
    sides: list[Annotated[int, Field(ge=64, le=240)]] = Field(min_length=1)
    dimensions: int = Field(ge=2)
    taught_images: int = Field(ge=4)
    draws: int = Field(ge=1)
    draw: int = Field(ge=2)

    @model_validator(mode="after")
    def whole(self) -> "Simulated":
        if not len(self.channels) == len(self.sizes) == len(self.strides):
            raise ValueError("channels, sizes and strides differ in length")
        if self.crops > self.teaching.images:
            raise ValueError(f"{self.crops} crops of {self.teaching.images} images")
        return self


class Cluster(Strict):
    known_generators: int | None = Field(ge=1)
    bootstrap: int = Field(ge=1)
    permutations: int = Field(ge=1)


class Serve(Strict):
    """Limits of the served model; they travel with it."""

    largest_file: int = Field(ge=1)
    largest_request: int = Field(ge=1)
    images: int = Field(ge=1)
    seconds: int = Field(ge=1)
    connections: int = Field(ge=1)


class AttributeBatch(Strict):
    """Of `attribute-batch`, which runs on Spark."""

    images: int = Field(ge=1)
    task_bytes: int = Field(ge=2**20)
    file_bytes: int = Field(ge=1)
    largest_file: int = Field(ge=1)
    threads: int = Field(ge=1)
    driver_memory: str = Field(pattern=r"^[1-9][0-9]*[mg]$")


class SharedSearch(Strict):
    """Of a search that several machines share; none of it changes what a trial scores."""

    heartbeat: int = Field(ge=1)
    grace: int = Field(ge=2)
    retries: int = Field(ge=0)
    poll: float = Field(gt=0)

    @model_validator(mode="after")
    def patient(self) -> "SharedSearch":
        if self.grace < 2 * self.heartbeat:
            raise ValueError(
                f"grace {self.grace} is less than two heartbeats of {self.heartbeat}: a living "
                "worker would be taken for dead"
            )
        return self


class Promote(Strict):
    margin: float = Field(ge=0)
    confidence: float = Field(gt=0.5, lt=1)
    bootstrap: int = Field(ge=1)


class Params(Strict):
    seed: int = Field(ge=0, lt=2**32)
    profile: ProfileName
    data: Data
    sample: Sample
    architectures: list[ExtractorName] = Field(min_length=1)
    profiles: dict[ProfileName, Profile]
    model: ModelSettings
    ship: Ship
    simulated: Simulated
    cluster: Cluster
    attribute_batch: AttributeBatch
    shared_search: SharedSearch
    promote: Promote
    serve: Serve

    @model_validator(mode="after")
    def complete(self) -> "Params":
        if self.profile not in self.profiles:
            raise ValueError(f"profile '{self.profile}' is not among {sorted(self.profiles)}")
        return self

    @property
    def active(self) -> Profile:
        """The profile that `profile` chooses."""
        return self.profiles[self.profile]


class _Loader(yaml.SafeLoader):
    """Refuses a key given twice, of which YAML's own loader silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key.value}' is given twice; remove one", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check the params.yaml of a project.

    Raises:
        UserError: every offending key, with its value and what was expected.
    """
    if not path.exists():
        raise UserError(f"'{path}' is missing; run the command in the project's root folder")
    return _checked(path, _read(path))


def load_params_anywhere() -> Params:
    """The params.yaml of the project at hand; outside of one, the copy that the package holds.

    Raises:
        UserError: as `load_params`.
    """
    if PARAMS_FILE.exists():
        content = _read(PARAMS_FILE)
        if isinstance(content, dict) and OWN_KEY in content:  # other projects have one as well
            return _checked(PARAMS_FILE, content)
    return load_params(Path(str(resources.files("ganamis").joinpath(PARAMS_FILE.name))))


def _read(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"'{path}' is not valid YAML: {error}") from error


def _checked(path: Path, content: Any) -> Params:
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        problems = "\n".join(
            f"  {'.'.join(str(part) for part in problem['loc']) or 'file'}: {problem['msg']}"
            + ("" if problem["type"] == "missing" else f", got {problem['input']!r:.80}")
            for problem in error.errors()
        )
        raise UserError(f"'{path}' was refused:\n{problems}") from error
