"""The one model: an extractor and the back end fitted on its embeddings.

Images may stream: embedding is apart from answering, and only embeddings need be kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ganamis.contracts import Embedded, Extractor
from ganamis.data.content import content_descriptors
from ganamis.data.images import pixel_digest
from ganamis.model.answer import Attribution, SingleAnswers
from ganamis.model.backend import BackEnd


@dataclass(frozen=True, eq=False)
class FingerprintModel:
    """From images to generators, their number unknown, with or without labels.

    spectra: mean log power spectrum `[B, B]` float32 of each known generator, for looking at
    (`extractors.power_spectra`); may lack some.
    """

    extractor: Extractor
    backend: BackEnd
    spectra: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def known(self) -> tuple[str, ...]:
        """The generators it can name, sorted."""
        return self.backend.known

    def embed(self, images: np.ndarray, ids: Iterable[str] | None = None) -> Embedded:
        """Embed `[N, H, W]` uint8 images of one size.

        Args:
            ids: of the images; the digests of their pixels if left out.
        """
        named = [pixel_digest(image) for image in images] if ids is None else list(ids)
        raw, content = self.extractor.embed(images), content_descriptors(images)
        return self.backend.reduce(
            raw, np.array(named, dtype=str), content, views=self.extractor.views
        )

    def together(
        self, batch: Embedded, *, clusters: int | None = None, sample: Embedded | None = None
    ) -> Attribution:
        """How many generators, which image from which; see `BackEnd.together`."""
        return self.backend.together(batch, clusters=clusters, sample=sample)

    def alone(self, batch: Embedded) -> SingleAnswers:
        """Each image on its own: which known generator, or none; see `BackEnd.alone`."""
        return self.backend.alone(batch)
