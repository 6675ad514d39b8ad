"""The contrastive primitive, the four relations that feed it, and the memory bank."""

from spml_core.relations.affinity import affinity_loss, borrowed_labels
from spml_core.relations.annotation import annotation_loss
from spml_core.relations.batch import BatchSegments, PicturePixels, segment_batch
from spml_core.relations.contrast import contrastive_loss, contrastive_losses
from spml_core.relations.cooccurrence import cooccurrence_loss
from spml_core.relations.image_similarity import image_similarity_loss
from spml_core.relations.memory import BankEntry, MemoryBank, neighbor_accuracy
from spml_core.relations.relation import Relation
from spml_core.relations.step import ContrastiveStep, contrastive_step
from spml_core.relations.weights import PAPER_WEIGHTS, RelationWeights, Term

__all__ = [
    "PAPER_WEIGHTS",
    "BankEntry",
    "BatchSegments",
    "ContrastiveStep",
    "MemoryBank",
    "PicturePixels",
    "Relation",
    "RelationWeights",
    "Term",
    "affinity_loss",
    "annotation_loss",
    "borrowed_labels",
    "contrastive_loss",
    "contrastive_losses",
    "contrastive_step",
    "cooccurrence_loss",
    "image_similarity_loss",
    "neighbor_accuracy",
    "segment_batch",
]
