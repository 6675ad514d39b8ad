"""The paper's two algorithms from end to end (METHODS.md 1.17), with the published settings.

Floor 5, beside training and labeling: the room puts their parts, and those of the rooms below, into the order of the
paper, and keeps what each stage made in a folder, so that a run that was killed goes on where it was. It takes
pictures with marks (:class:`PaperData`) and knows neither a project nor a window.

    presets         what the paper and its scripts set
    data            pictures, marks, activation maps, regions: what a run is fed with
    voc_tree, densepose_tree
                    such data from folders
    run_folder      what is done already
    batches, iterating, embedding_stage, head_stage
                    learning
    views           networks over whole pictures, at any scale, mirrored or not
    activation_stage, region_stage, seed_stage, walk_stage, retrieval_stage, predict_stage
                    one file for each kind of stage that visits every picture
    algorithms      the stages in order
    chosen, training_run, paper_run, frozen_marks, forecast, model_so_far
                    the same as a training of the user's own pictures
"""

from spml_core.config import VARIANTS, Variant
from spml_core.paper.data import EvaluationPicture, PaperData
from spml_core.paper.presets import PRESETS, PaperPreset, paper_preset

__all__ = [
    "PRESETS",
    "VARIANTS",
    "EvaluationPicture",
    "PaperData",
    "PaperPreset",
    "Variant",
    "paper_preset",
]
