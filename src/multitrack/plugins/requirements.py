"""Compare the packages that a plugin needs with the releases that are installed."""

from __future__ import annotations

import dataclasses
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement

from multitrack.markers import PROJECT


@dataclasses.dataclass(frozen=True, slots=True)
class Package:
    """A package that a plugin needs, such as a tracker's SDK.

    Attributes:
        name: The distribution's name.
        supported: The supported releases as a version specifier, such as ``>=2.20,<4``; empty if any will do.
        installed: The installed release; None if there is none.
        fits: True if the installed release is a supported one.
    """

    name: str
    supported: str
    installed: str | None
    fits: bool


def packages_of(distribution: str) -> list[Package]:
    """List the packages that a plugin's distribution requires, in its order; without multitrack and optional ones.

    Imports none of them. Empty if the distribution has no readable metadata.

    Args:
        distribution: The name of the plugin's distribution, such as ``multitrack-mlflow``.
    """
    try:
        declared = metadata.requires(distribution) or ()
    except metadata.PackageNotFoundError:
        return []
    found = []
    for line in declared:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:  # of a build tool that is older than the standard
            continue
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and requirement.name != PROJECT:
            found.append(_compared(requirement))
    return found


def _compared(requirement: Requirement) -> Package:
    supported = ",".join(sorted(map(str, requirement.specifier), reverse=True))  # the lower bound first
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Package(requirement.name, supported, None, fits=False)
    return Package(requirement.name, supported, installed, requirement.specifier.contains(installed, prereleases=True))
