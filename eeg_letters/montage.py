"""Electrode positions: the international 10-10 system on a spherical head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eeg_letters.schema import ELECTRODES

# To the right, to the front and up, on a head of radius 1 whose equator runs through nasion, inion
# and the points before the ears. As eeg-positions (github.com/sappelhoff/eeg_positions, equator
# Nz-T10-Iz-T9) computes them from the definition of the system: Oostenveld and Praamstra, "The five
# percent electrode system for high-resolution EEG and ERP measurements", Clinical Neurophysiology
# 112, 2001. Left and midline; right is left mirrored.
_LEFT_AND_MIDLINE = {
    "Fp1": (-0.2939, 0.9045, 0.3090),
    "F7": (-0.7695, 0.5590, 0.3090),
    "F3": (-0.4591, 0.5800, 0.6730),
    "Fz": (0.0, 0.5878, 0.8090),
    "FT9": (-0.9511, 0.3090, 0.0),
    "FC5": (-0.7658, 0.3000, 0.5688),
    "FC1": (-0.2911, 0.3079, 0.9058),
    "T7": (-0.9511, 0.0, 0.3090),
    "C3": (-0.5878, 0.0, 0.8090),
    "Cz": (0.0, 0.0, 1.0),
    "TP9": (-0.9511, -0.3090, 0.0),
    "CP5": (-0.7658, -0.3000, 0.5688),
    "CP1": (-0.2911, -0.3079, 0.9058),
    "P7": (-0.7695, -0.5590, 0.3090),
    "P3": (-0.4591, -0.5800, 0.6730),
    "Pz": (0.0, -0.5878, 0.8090),
    "O1": (-0.2939, -0.9045, 0.3090),
    "Oz": (0.0, -0.9511, 0.3090),
}


def positions() -> NDArray[np.float64]:
    """Unit vectors to `ELECTRODES`: right, front and up, shape (32, 3)."""
    places = np.array([_place(electrode) for electrode in ELECTRODES])
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    return places


def flat_positions() -> NDArray[np.float64]:
    """Positions of `ELECTRODES` projected to a plane, from above: right and front, shape (32, 2).

    The azimuthal equidistant projection: distances from the vertex are true, and the circle of
    radius 1 is the equator.
    """
    sphere = positions()
    angles = np.arccos(np.clip(sphere[:, 2], -1, 1))
    across = np.hypot(sphere[:, 0], sphere[:, 1])
    stretch = np.divide(angles, across, out=np.zeros_like(angles), where=across > 0)
    flat: NDArray[np.float64] = sphere[:, :2] * (stretch / (np.pi / 2))[:, np.newaxis]
    return flat


def on_sphere(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse projection: points of the plane, shape (n, 2), as unit vectors, shape (n, 3)."""
    radii = np.hypot(flat[:, 0], flat[:, 1])
    angles = radii * (np.pi / 2)
    shrink = np.divide(np.sin(angles), radii, out=np.zeros_like(radii), where=radii > 0)
    return np.column_stack([flat * shrink[:, np.newaxis], np.cos(angles)])


def _place(electrode: str) -> tuple[float, float, float]:
    if electrode in _LEFT_AND_MIDLINE:
        return _LEFT_AND_MIDLINE[electrode]
    # Odd numbers are left, each even one is the mirror image of the odd one before it.
    region = electrode.rstrip("0123456789")
    right, front, up = _LEFT_AND_MIDLINE[f"{region}{int(electrode.removeprefix(region)) - 1}"]
    return -right, front, up
