"""What lies under an orbit: the surface's echo in every frame, and the strongest reflector below it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from radargram.focus import LIGHT, SAMPLING
from radargram.product import SAMPLES, Real

# Below the surface, in samples: nearer, the surface itself is too bright; farther is 5.5 km of ice, and MARSIS has seen
# through 3.7 km (Plaut et al. 2007, doi:10.1126/science.1139672).
NEAREST, FARTHEST = 9, 90
# Times the noise that a reflector must have.
_CLEARLY = 20.0
# Samples above the surface that are not only noise.
_GUARD = 12


@dataclass(frozen=True)
class Layers:
    """Positions in samples from the first, with fractions; one of each a frame.

    Attributes:
        surface: of the surface.
        reflector: of the reflector, ``nan`` where none stands out.
        noise: mean power of the samples above the surface.
        surface_power, reflector_power: at these positions; the latter ``nan`` where there is none.
    """

    surface: Real
    reflector: Real
    noise: float
    surface_power: Real
    reflector_power: Real

    @property
    def delay(self) -> Real:
        """Microseconds from the surface's echo to the reflector's, there and back; ``nan`` where there is none."""
        delay: Real = (self.reflector - self.surface) / SAMPLING * 1e6
        return delay

    def depth(self, permittivity: float) -> Real:
        """Metres of ground of this relative permittivity above the reflector; ``nan`` where there is none."""
        depth: Real = self.delay * 1e-6 * LIGHT / (2 * permittivity**0.5)
        return depth


def look_together(power: Real, looks: int) -> Real:
    """Average each frame's power with its neighbours', ``looks`` frames in all and fewer at the ends: less speckle."""
    summed = np.concatenate([np.zeros((1, power.shape[1])), np.cumsum(power, axis=0)])
    frames = np.arange(len(power))
    first = np.maximum(frames - (looks - 1) // 2, 0)
    end = np.minimum(frames + looks // 2 + 1, len(power))
    averaged: Real = (summed[end] - summed[first]) / (end - first)[:, None]
    return averaged


def find_layers(power: Real) -> Layers:
    """Find surface and reflector in power over height (a row a frame, ``SAMPLES`` columns)."""
    brightest = power.argmax(axis=1)
    surface, surface_power = _peaks(power, brightest)
    sample = np.arange(SAMPLES)
    above = sample < brightest[:, None] - _GUARD
    noise = float(power[above].mean()) if above.any() else float(power.min(axis=1).mean())
    below = (sample >= brightest[:, None] + NEAREST) & (sample <= brightest[:, None] + FARTHEST)
    candidates = np.where(below, power, 0.0)
    # The slope of the surface's own echo is no peak.
    inner = candidates[:, 1:-1]
    inner[(power[:, 1:-1] < power[:, :-2]) | (power[:, 1:-1] < power[:, 2:])] = 0.0
    strongest = candidates.argmax(axis=1)
    reflector, reflector_power = _peaks(power, strongest)
    weak = candidates.max(axis=1) < _CLEARLY * noise
    return Layers(
        surface, np.where(weak, np.nan, reflector), noise, surface_power, np.where(weak, np.nan, reflector_power)
    )


def _peaks(power: Real, at: NDArray[np.intp]) -> tuple[Real, Real]:
    """Return where the peaks around some samples are, by a parabola through three of them, and their power."""
    frames, middle = np.arange(len(power)), np.clip(at, 1, SAMPLES - 2)
    before, here, after = (power[frames, middle + step] for step in (-1, 0, 1))
    curved = before - 2 * here + after
    steep = curved < 0
    offset = np.where(steep, (before - after) / (2 * np.where(steep, curved, -1.0)), 0.0)
    return middle + np.clip(offset, -0.5, 0.5), here
