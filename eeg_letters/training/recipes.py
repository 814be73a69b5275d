"""What may be tried to train a model: preprocessing, and shrinkage of the covariance."""

from __future__ import annotations

from typing import NamedTuple

from eeg_letters.errors import UserError
from eeg_letters.models import LDA, Model
from eeg_letters.schema import Features
from eeg_letters.scoring.scorer import PREPROCESSING

# Tries every recipe of a model that fits the features.
AUTO = "auto"
# The first is the choice where no estimate can be made.
_OF_POWERS = ("log1p", "l2")
_OF_OTHERS = ("standardise", "l2")
PREPROCESSING_CHOICES = (AUTO, *PREPROCESSING)


class Recipe(NamedTuple):
    """How a model is trained.

    Attributes
    ----------
    preprocessing : str
        What is done to each row first, one of `eeg_letters.scoring.scorer.PREPROCESSING`.
    shrinkage : bool
        Whether discriminant analysis shrinks the covariances, by Ledoit and Wolf's estimate.
    """

    preprocessing: str
    shrinkage: bool = False

    def __str__(self) -> str:
        return f"{self.preprocessing}, shrinkage" if self.shrinkage else self.preprocessing


def candidates(model: Model, features: Features, preprocessing: str) -> tuple[Recipe, ...]:
    """What to try for a model, the simplest first.

    Parameters
    ----------
    model : Model
        Which of the models.
    features : Features
        Of the recordings.
    preprocessing : str
        What is asked for, one of `PREPROCESSING_CHOICES`.

    Raises
    ------
    UserError
        When it does not fit the features.
    """
    fitting: tuple[str, ...] = _OF_POWERS if features.are_powers else _OF_OTHERS
    if preprocessing != AUTO:
        if preprocessing not in fitting:
            what = "band powers" if features.are_powers else "features that are no band powers"
            raise UserError(f"--preprocessing {preprocessing}: {what} take {' or '.join(fitting)}")
        fitting = (preprocessing,)
    # What is asked for by name is made as it is known.
    shrinkage = (False, True) if model == LDA and preprocessing == AUTO else (False,)
    return tuple(Recipe(name, shrink) for shrink in shrinkage for name in fitting)
