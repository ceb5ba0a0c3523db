"""Echoes put right: the ionosphere's dispersion and delay taken out, each sample at its height above Mars.

The ionosphere slows a wave of frequency f by 2 · 40.3 · N / (c f²) on its way there and back (N electrons a square
metre), the lower edge of the band more than the upper one: an echo arrives late, and smeared. Both follow from the one
phase 2π · 2 · 40.3 · N / (c f). N is found as the one that makes the echoes sharpest (the contrast method, as in
Cartacci et al. 2013, doi:10.1016/j.icarus.2012.12.011) and its phase is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from radargram.errors import InvalidFrame
from radargram.product import SAMPLES, Product, Real

LIGHT = 299_792_458.0  # m/s
# Of MARSIS: complex samples a second, and the width of its chirp (Jordan et al., Planetary and Space Science 57, 2009).
SAMPLING = 1.4e6
BANDWIDTH = 1.0e6
# e² / (8 π² ε₀ mₑ) in m³/s²: the refractive index of a thin plasma is 1 - PLASMA · density / f².
PLASMA = 40.308
# Of height, in metres, from one sample to the next.
STEP = LIGHT / (2 * SAMPLING)
# Twice the samples: what is moved out at one end does not come in at the other.
_LENGTH = 2 * SAMPLES
_MOST_SHIFT = SAMPLES - 112
# Of an amplitude; the square of less would be no number any more.
_QUIETEST = 1e-30
# Frames that share one estimate of N, and the degree of the polynomial that N follows along the orbit.
_BLOCK, _DEGREE = 32, 3
# Phase in radians that dispersion adds at the edges of the band: how far apart candidates for N are, at first and then
# around the best of them, and the most.
_COARSE, _FINE, _MOST = 1.0, 0.125, 40.0
_BASEBAND = np.fft.fftfreq(_LENGTH, 1 / SAMPLING)
# A Hann window over the band: side lobes below -31 dB, so that a strong surface hides no weak reflector.
_WINDOW = np.where(np.abs(_BASEBAND) < BANDWIDTH / 2, 0.5 * (1 + np.cos(2 * np.pi * _BASEBAND / BANDWIDTH)), 0.0)
Complex = NDArray[np.complex128]


@dataclass(frozen=True)
class Focused:
    """The echoes of a product as power over height.

    Attributes:
        power: a row a frame, a column a sample, the highest first.
        top: height in metres above the ellipsoid of the first sample.
        electrons: a square metre, above each frame.
    """

    power: Real
    top: float
    electrons: Real


def focus(product: Product) -> Focused:
    """Correct a product's echoes; raises InvalidFrame for what cannot be corrected."""
    frequency = product.scalar("CENTRAL_FREQUENCY")
    altitude = product.scalar("SPACECRAFT_ALTITUDE") * 1e3
    heights = altitude - LIGHT * product.scalar("RECEIVE_WINDOW_DELAY") * 1e-6 / 2
    top = float(np.median(heights))
    # Where in an echo the sample of the height ``top`` is.
    shifts = (heights - top) / STEP
    far = int(np.argmax(np.abs(shifts)))
    if abs(shifts[far]) > _MOST_SHIFT:
        raise InvalidFrame(
            f"frame {far + 1}: its window opens at {heights[far] / 1e3:.0f} km, the others' at {top / 1e3:.0f} km"
        )
    electrons = _electrons(product, frequency)
    power = np.empty((len(product), SAMPLES))
    for first in range(0, len(product), _BLOCK):
        some = slice(first, first + _BLOCK)
        phase = _phase(electrons[some], frequency[some]) + 2 * np.pi * _BASEBAND * shifts[some, None] / SAMPLING
        power[some] = _power(_spectra(product, first) * np.exp(1j * phase))[:, :SAMPLES]
    return Focused(power, top, electrons)


def _electrons(product: Product, frequency: Real) -> Real:
    """Estimate the electrons a square metre above each frame: block by block, and a smooth curve through the blocks."""
    centres, found, weights = [], [], []
    for first in range(0, len(product), _BLOCK):
        some = frequency[first : first + _BLOCK]
        best, contrast = _sharpest(_spectra(product, first), some)
        centres.append(first + (len(some) - 1) / 2)
        found.append(best)
        weights.append(contrast * len(some))
    degree = min(_DEGREE, len(found) - 1)
    fitted = np.polynomial.Polynomial.fit(centres, found, degree, domain=[0, len(product)], w=weights)
    electrons: Real = np.maximum(fitted(np.arange(len(product), dtype=np.float64)), 0.0)
    return electrons


def _sharpest(spectra: Complex, frequency: Real) -> tuple[float, float]:
    """Return the electrons a square metre that make some echoes sharpest, and how sharp they are then."""
    middle = float(np.median(frequency))
    # The second order of the phase around the middle of the band, at its edge, for one electron a square metre.
    edge = 2 * np.pi * (2 * PLASMA / LIGHT) * (BANDWIDTH / 2) ** 2 / middle**3
    coarse, _ = _best(spectra, frequency, np.arange(0.0, _MOST, _COARSE) / edge)
    fine = coarse + np.arange(-_COARSE, _COARSE + _FINE, _FINE) / edge
    return _best(spectra, frequency, np.maximum(fine, 0.0))


def _best(spectra: Complex, frequency: Real, candidates: Real) -> tuple[float, float]:
    """Return the one of some candidates that makes echoes sharpest, and their contrast.

    The contrast is how much of their power echoes have in few samples: 1 / SAMPLES for noise, 1 for a single peak.
    """
    distinct, which = np.unique(frequency, return_inverse=True)
    contrasts = []
    for candidate in candidates:
        turned = np.exp(1j * _phase(np.full(len(distinct), candidate), distinct))
        # Every other frequency will do: what comes in at the other end is as sharp there.
        power = _power((spectra * turned[which])[:, ::2])
        contrasts.append(float(np.mean((power**2).sum(axis=1) / power.sum(axis=1) ** 2)))
    best = int(np.argmax(contrasts))
    return float(candidates[best]), contrasts[best]


def _phase(electrons: Real, frequency: Real) -> Real:
    """Return the phase that takes the ionosphere's back: a row a frame, a column a frequency of the spectrum."""
    phase: Real = -2 * np.pi * 2 * PLASMA / LIGHT * electrons[:, None] / (frequency[:, None] + _BASEBAND)
    return phase


def _spectra(product: Product, first: int) -> Complex:
    """Return the spectra of a block of echoes, windowed; raises InvalidFrame for an empty echo."""
    echoes = product.echoes(first, _BLOCK)
    silent = np.flatnonzero(np.abs(echoes).max(axis=1) < _QUIETEST)
    if silent.size:
        raise InvalidFrame(f"frame {first + silent[0] + 1}: there is nothing in its echo")
    spectra: Complex = np.fft.fft(echoes, _LENGTH, axis=1) * _WINDOW
    return spectra


def _power(spectra: Complex) -> Real:
    power: Real = np.abs(np.fft.ifft(spectra, axis=1)) ** 2
    return power
