"""Noise that is correlated in time.

White noise averages out over a plan, and the states it leads to stay near the start. Noise with
more power at low frequencies explores actions that last.
"""

import numpy as np


def coloured_noise_factor(horizon: int, beta: float) -> np.ndarray:
    """The matrix L such that ``L @ z``, z white, has power ``f^-beta`` and unit variance.

    The same distribution as scaling white noise in the Fourier domain, as a constant matrix:
    sampling is one small product, with nothing to compile. As there, the zero frequency has the
    power of the lowest positive one, and the noise is periodic over the horizon.

    Args:
      horizon: H >= 1, decisions.
      beta: exponent of the power spectral density, >= 0: 0 white, 1 pink, 2 red.

    Returns:
      `[H, H]`, symmetric, each row of norm 1.

    Source: Timmer and Koenig (1995); Pinneri et al. (2020), section 3.1.
    """
    frequencies = np.fft.fftfreq(horizon)
    frequencies[0] = 1 / horizon
    amplitude = np.abs(frequencies) ** (-beta / 2)
    response = np.fft.ifft(amplitude).real  # one row of the symmetric circulant square root
    index = np.arange(horizon)
    factor = response[(index[:, None] - index[None, :]) % horizon]
    return factor / np.linalg.norm(factor, axis=1, keepdims=True)
