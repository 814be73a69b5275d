"""Rows of a headset in, answers out, over one open connection to a service."""

from eeg_letters.live.answers import Answer, Decision, Likely, Prediction
from eeg_letters.live.connecting import connect

__all__ = ["Answer", "Decision", "Likely", "Prediction", "connect"]
