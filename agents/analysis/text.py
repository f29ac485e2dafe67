"""Numbers and durations as text."""


def number(value: float | None, sign: str = "") -> str:
    """A number in the units of the data, whatever they are: `212.4`, `-3.50`, `2.88e-05`.

    One decimal from 10 to 10 million, three significant digits outside: so that a return of small
    rewards does not read 0.0.

    Args:
      value: None and NaN, a number that does not exist, read `n/a`.
      sign: `+` writes it also of positive numbers.
    """
    if value is None or value != value:
        return "n/a"
    if value == 0:
        return "0"
    form = ",.1f" if 10 <= abs(value) < 1e7 else "#.3g"
    return format(value, sign + form)


def interval(low: float | None, high: float | None) -> str:
    """An interval in brackets, to be set behind its number; nothing where there is none."""
    if low is None or high is None or low != low:
        return ""
    return f" [{number(low)}, {number(high)}]"


def clock(seconds: float) -> str:
    """Hours, minutes and whole seconds: `1:02:03`, or `2:03` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
