"""The nearest name to one that is not known, for "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)`, or nothing where no known name is near."""
    found = nearest_names(name, known, 1)
    return f" (did you mean '{found[0]}'?)" if found else ""


def unknown(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)`, else ` (known: a, b, c)`, so that there is always a next step."""
    names = sorted(known)
    return did_you_mean(name, names) or f" (known: {', '.join(names[:12])}{', …' * (len(names) > 12)})" * bool(names)


def nearest_names(name: str, known: Iterable[str], count: int) -> list[str]:
    """Return at most `count` known names that resemble `name`, the nearest first."""
    import difflib  # 4 ms, needed only where something is wrong

    by_folded: dict[str, str] = {}
    for candidate in known:
        by_folded.setdefault(candidate.casefold(), candidate)
    found = difflib.get_close_matches(name.casefold()[:200], by_folded, n=count, cutoff=0.6)
    return [by_folded[folded] for folded in found]
