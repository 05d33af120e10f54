"""A landscape of ridges and valleys, carved by rivers, with a spectrum like that of real mountains."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from training.simulation.noise import band_noise
from training.simulation.parameters import Parameters

NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
MARGIN = 12  # cells around the grid, where rivers reach the plain
RISE = 0.5  # metres, about, by which a filled hollow rises from cell to cell


def region_weights(parameters: Parameters) -> np.ndarray:
    """Return how far each region holds in each fine column, (R, W); they add to one."""
    grid, count = parameters.grid, len(parameters.regions)
    width = grid.columns * grid.factor
    index = np.arange(count * width) // width
    own = (index[None] == np.arange(count)[:, None]).astype(float)
    sigma = grid.blend * 1000 / grid.cell / 2
    return gaussian_filter1d(own, sigma, axis=1, mode="nearest") if sigma > 0 else own


def by_region(parameters: Parameters, name: str) -> np.ndarray:
    """Return a parameter of the regions in each fine column, (1, W)."""
    values = np.array([getattr(region, name) for region in parameters.regions])
    return (values[:, None] * region_weights(parameters)).sum(0)[None]


def elevation(parameters: Parameters) -> np.ndarray:
    """Return the elevation of the fine cells in metres, (H, W) float32.

    Rivers in balance with uplift: along a river the slope is S = k_s·A^−θ of the drained area A
    (Whipple & Tucker 1999, J. Geophys. Res. 104(B8)), on hillslopes it stays below a critical one;
    the elevation is the sum of the rises up from the outlet, and the water finds its way anew on
    it, many times over (after Steer 2021, Earth Surf. Dynam. 9, 1239–1250). It begins on fractal
    noise over a dome. Steepness varies with massifs and rock: noise over many wavelengths.
    """
    section, cell = parameters.terrain, parameters.grid.cell
    rng = np.random.default_rng([parameters.seed, 0])
    shape = (parameters.fine_shape[0] + 2 * MARGIN, parameters.fine_shape[1] + 2 * MARGIN)

    def around(name: str) -> np.ndarray:
        return np.pad(by_region(parameters, name)[0], MARGIN, mode="edge")[None]

    base, steep = around("base"), around("steepness")
    massif = band_noise(rng, shape, cell / 1000, section.massif)
    rock = fractal_noise(rng, shape, cell / 1000, section.rock_wavelength, 1.0)
    steepness = steep * np.exp(section.massif_spread * massif + section.rock_spread * rock)
    rough = fractal_noise(rng, shape, cell / 1000, section.wavelength, section.slope)
    outlets = base + np.zeros(shape)
    middle = 1 - np.abs(np.linspace(-1, 1, shape[0]))[:, None]
    height = fill_hollows(outlets + section.start * (rough - rough.min()) + section.dome * middle, rng)
    for _ in range(section.rounds):
        receiver, distance = flow(height, cell)
        area = drained(receiver) * (cell / 1000) ** 2
        slope = np.minimum(steepness.ravel() * area**-section.concavity, section.critical)
        uneven = np.exp(section.jitter * rng.standard_normal(slope.size))
        rise = np.where(distance > 0, slope * uneven * distance, outlets.ravel())
        height = climbed(receiver, rise).reshape(shape)
    height = gaussian_filter(height, section.smooth, mode="nearest")
    return height[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.float32)


def fractal_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, longest: float, slope: float
) -> np.ndarray:
    """Return octaves of noise of zero mean and about unit variance.

    Args:
        rng: random numbers.
        shape: rows and columns.
        cell: its size, in the wavelength's unit.
        longest: wavelength of the first octave; the last one is two cells.
        slope: amplitude falls with wavelength ^ slope.
    """
    wavelength, total, power = longest, np.zeros(shape), 0.0
    while wavelength >= 2 * cell:
        amplitude = (wavelength / longest) ** slope
        total += amplitude * band_noise(rng, shape, cell, wavelength)
        power += amplitude**2
        wavelength /= 2
    return total / power**0.5


def fill_hollows(height: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the surface raised where water would stand, so that all of it reaches the edge.

    Planchon & Darboux 2002, Catena 46, 159–176, swept over the whole grid at once; unevenly, lest
    rivers run in parallel there.
    """
    rise = RISE * rng.random(height.shape) ** 2
    water = np.full_like(height, np.inf)
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        water[edge] = height[edge]
    while True:
        padded = np.pad(water, 1, constant_values=np.inf)
        across = np.minimum(np.minimum(padded[:, :-2], padded[:, 2:]), padded[:, 1:-1])
        lowest = np.minimum(np.minimum(across[:-2], across[2:]), across[1:-1])
        new = np.minimum(water, np.maximum(height, lowest + rise))
        if np.array_equal(new, water):
            return water
        water = new


def flow(height: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for each cell the one that its water flows to, by the steepest fall, and how far that is.

    Cells at the edge keep their water. Both are flat, (H·W,).
    """
    rows, columns = height.shape
    own = np.arange(rows * columns).reshape(rows, columns)
    receiver, distance, best = own.copy(), np.zeros(height.shape), np.zeros((rows - 2, columns - 2))
    inner = np.s_[1:-1, 1:-1]
    for down, right in NEIGHBOURS:
        there = np.s_[1 + down : rows - 1 + down, 1 + right : columns - 1 + right]
        length = cell * np.hypot(down, right)
        fall = (height[inner] - height[there]) / length
        steeper = fall > best
        best = np.where(steeper, fall, best)
        receiver[inner] = np.where(steeper, own[there], receiver[inner])
        distance[inner] = np.where(steeper, length, distance[inner])
    return receiver.ravel(), distance.ravel()


def drained(receiver: np.ndarray) -> np.ndarray:
    """Return the number of cells whose water passes each cell, itself included.

    Sums over the cells less than 2, 4, 8 … steps upstream.
    """
    jump, total = _with_sea(receiver), np.append(np.ones(receiver.size), 0.0)
    while (jump < receiver.size).any():
        total = total + np.bincount(jump, total, jump.size)
        total[-1] = 0.0
        jump = jump[jump]
    return total[:-1]


def climbed(receiver: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """Return the sum of the rises from the outlet, its own included, up to each cell, its own included."""
    jump, total = _with_sea(receiver), np.append(rise, 0.0)
    while (jump < receiver.size).any():
        total = total + total[jump]
        jump = jump[jump]
    return total[:-1]


def _with_sea(receiver: np.ndarray) -> np.ndarray:
    """Return the receivers and one more cell, the sea, to which the outlets flow."""
    own = np.arange(receiver.size)
    return np.append(np.where(receiver == own, receiver.size, receiver), receiver.size)


def spectral_slope(height: np.ndarray, cell: float, low: float, high: float) -> float:
    """Return the slope of ln(radially averaged power) over ln(wavenumber) between two wavelengths.

    Args:
        height: (H, W).
        cell: size of a cell.
        low, high: shortest and longest wavelength, in the cell's unit.
    """
    window = np.outer(np.hanning(height.shape[0]), np.hanning(height.shape[1]))
    power = np.abs(np.fft.fft2((height - height.mean()) * window)) ** 2
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n, cell) for n in height.shape), indexing="ij"))
    edges = np.geomspace(1 / high, 1 / low, 12)
    bins = np.digitize(frequency, edges)
    centres, means = [], []
    for index in range(1, len(edges)):
        inside = bins == index
        if inside.any():
            centres.append(np.log(frequency[inside]).mean())
            means.append(np.log(power[inside].mean()))
    return float(np.polyfit(centres, means, 1)[0])
