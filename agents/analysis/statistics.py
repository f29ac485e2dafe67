"""Statistics of few returns: interquartile mean, intervals, errors and rank measures.

A mean over 20 episodes moves a long way with one crash. The interquartile mean (IQM) leaves out the
lowest and the highest quarter; it is nearly as robust as the median and wastes less of the data.
Source: Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
NeurIPS 2021. With one task the bootstrap needs no strata, so SciPy's will do.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats


def iqm(x: npt.ArrayLike) -> float:
    """Interquartile mean: the mean of what is left without the lowest and highest quarter.

    With n values, floor(n / 4) are cut at each end; below four values it is the plain mean.

    Args:
        x: `[n]` finite values, n >= 1.

    Raises:
        ValueError: `x` is empty, not a vector, or holds NaN or infinities.
    """
    return float(stats.trim_mean(_checked(x), 0.25))


def iqm_ci95(x: npt.ArrayLike, *, seed: int) -> tuple[float, float]:
    """95 % confidence interval of the IQM, by the percentile bootstrap (9,999 resamples).

    The interval is over episodes of one trained agent. The spread between training seeds is not in
    it, and is larger.

    Degenerate inputs: equal values give an interval of width zero; of one value both ends are NaN.

    Args:
        x: `[n]` finite values, n >= 1.
        seed: of the resampling; one seed, one interval.

    Raises:
        ValueError: `x` is empty, not a vector, or holds NaN or infinities.
    """
    values = _checked(x)
    if len(values) == 1:
        return np.nan, np.nan
    if np.all(values == values[0]):
        return float(values[0]), float(values[0])
    interval = stats.bootstrap(
        (values,),
        lambda sample, axis: stats.trim_mean(sample, 0.25, axis=axis),
        confidence_level=0.95,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def summarise_returns(
    returns: npt.ArrayLike, seeds: npt.ArrayLike, solved_at: float | None, *, seed: int = 0
) -> dict[str, Any]:
    """The summary of an evaluation, in plain Python values.

    Args:
        returns: `[n]` return of each episode, n >= 1.
        seeds: `[n]` seed that each episode was reset with.
        solved_at: return from which an episode counts as solved, Gymnasium's
            `spec.reward_threshold`; None where the environment has none.
        seed: of the bootstrap.

    Returns:
        `episodes`, `seeds`, `returns`, `mean`, `sd` (of the sample, n - 1; NaN for one episode),
        `iqm`, `iqm_ci95`, `share_solved` (None without `solved_at`).

    Raises:
        ValueError: no returns, a return that is not finite, or not one seed for each.
    """
    values = _checked(returns)
    seed_list = np.asarray(seeds, np.int64).tolist()
    if len(seed_list) != len(values):
        raise ValueError(f"got {len(values)} returns, but {len(seed_list)} seeds")
    return {
        "episodes": len(values),
        "seeds": seed_list,
        "returns": values.tolist(),
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if len(values) > 1 else np.nan,
        "iqm": iqm(values),
        "iqm_ci95": list(iqm_ci95(values, seed=seed)),
        "share_solved": None if solved_at is None else float(np.mean(values >= solved_at)),
    }


def auroc(negative: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Probability that a positive is larger than a negative, ties counting half.

    This is the area under the ROC curve: 0.5 for no relation, below it for the opposite one.

    Args:
        negative: `[n]`.
        positive: `[m]`.

    Returns:
        The probability, NaN where there is nothing to compare.
    """
    negative, positive = np.asarray(negative), np.asarray(positive)
    if not (negative.size and positive.size):
        return np.nan
    wins = stats.mannwhitneyu(positive, negative, method="asymptotic").statistic
    return float(wins) / (negative.size * positive.size)


def concordance(
    left: npt.ArrayLike, right: npt.ArrayLike, equal: npt.ArrayLike | None = None
) -> float:
    """Share of pairs within a group that two measures order alike; ties on the left count half.

    Infinities are ordered as numbers are; a pair with a NaN ties.

    Args:
        left: `[groups, n]`.
        right: `[groups, n]`; pairs that tie here are left out.
        equal: `[groups, n, k]`; pairs that differ in any of the k are left out, too.

    Returns:
        The share over all groups, NaN when no pair is left.
    """
    left, right = np.asarray(left), np.asarray(right)
    first, second = np.triu_indices(left.shape[1], 1)
    sign, truth = (_order(each[:, first], each[:, second]) for each in (left, right))
    agree, kept = (1 + sign * truth) / 2, truth != 0
    if equal is not None:
        alike = np.asarray(equal)
        kept = kept & (alike[:, first] == alike[:, second]).all(axis=-1)
    return float(np.mean(agree[kept])) if kept.any() else np.nan


def _order(first: npt.NDArray, second: npt.NDArray) -> npt.NDArray:
    """1 where the first is larger, -1 where the second is, else 0."""
    return np.greater(first, second).astype(int) - np.less(first, second)


def mean_ci95(x: npt.ArrayLike) -> tuple[float, float]:
    """95 % confidence interval of a mean by Student's t; of one value, both ends are NaN.

    Args:
        x: `[n]` finite values that are independent of each other, such as one a seed.
    """
    values = _checked(x)
    if len(values) == 1:
        return np.nan, np.nan
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def return_errors(planned: npt.ArrayLike, realised: npt.ArrayLike) -> dict[str, float]:
    """Errors of planned returns against realised ones.

        bias   mean of planned - realised         mae, rmse   of the same difference
        slope  of the least-squares line of realised over planned: 1 where both grow alike, 0 where
               they are unrelated

    Args:
        planned: `[n]`, n >= 1.
        realised: `[n]`.

    Returns:
        `planned`, `realised` (means), `bias`, `mae`, `rmse`, `pearson`, `spearman`, `slope`; the
        last three NaN for fewer than three pairs, or where one side never varies.
    """
    planned, realised = np.asarray(planned, np.float64), np.asarray(realised, np.float64)
    gap = planned - realised
    pearson = correlation(planned, realised)
    return {
        "planned": float(planned.mean()),
        "realised": float(realised.mean()),
        "bias": float(gap.mean()),
        "mae": float(np.abs(gap).mean()),
        "rmse": float(np.sqrt(np.square(gap).mean())),
        "pearson": pearson,
        "spearman": rank_correlation(planned, realised),
        "slope": pearson * float(realised.std() / planned.std()) if pearson == pearson else np.nan,
    }


def correlation(left: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """Pearson's; NaN of fewer than three pairs, or where one side never varies."""
    first, second = np.asarray(left, np.float64), np.asarray(right, np.float64)
    first, second = first - first.mean(), second - second.mean()
    scale = np.sqrt(np.square(first).sum() * np.square(second).sum())
    if len(first) < 3 or not scale > 0:
        return np.nan
    return float(np.clip((first * second).sum() / scale, -1.0, 1.0))


def rank_correlation(left: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """Spearman's: `correlation` of the ranks, of which ties share the mean."""
    return correlation(stats.rankdata(left), stats.rankdata(right))


def _checked(x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    values = np.asarray(x, np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"expected a non-empty vector of finite values, got {x!r}")
    return values


def mean_columns(name: str, values: Sequence[float]) -> dict[str, float | None]:
    """Columns `name`, `name_low` and `name_high`: a mean and its 95 % interval; None of nothing."""
    mean = float(np.mean(values)) if values else None
    low, high = mean_ci95(values) if values else (None, None)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}
