"""The models: their names in the store and in answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """A model by its names.

    Attributes
    ----------
    name : str
        Name of its entry in the BentoML model store.
    title : str
        Name in tables and in the answers of the REST routes.
    """

    name: str
    title: str


LDA = Model("eeg-lda", "LDA")
MLP = Model("eeg-mlp", "Neural Network")
MODELS = (LDA, MLP)
# Both, as one model, where clients speak the Open Inference Protocol.
ENSEMBLE = "eeg-letters"
