"""What the tools that break things say they did."""


def counts(line: str) -> dict[str, int]:
    """A line such as ``7 kills, 14 searches``, in whatever order and with whichever kinds it has."""
    found: dict[str, int] = {}
    for part in line.split(", "):
        count, what = part.split(" ", 1)
        if what in found:
            raise ValueError(f"{what!r} is counted twice in {line!r}")
        found[what] = int(count)
    return found
