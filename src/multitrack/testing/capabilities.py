"""What a tracker can hold unchanged, as declared by its tests; the support matrix is made from the declarations."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """The values that a tracker can hold unchanged.

    A test that needs a capability that is ``False`` must fail; it then counts as skipped, with the declared text as its
    reason. If it passes, the contract fails, because the declaration is wrong.

    Attributes:
        typed_params: Numbers and booleans keep their type; otherwise they become text.
        nan: NaN in a series reads back as NaN.
        infinity: ±inf in a series reads back as ±inf.
        point_times: Each point keeps its time.
        end_time: A run keeps its end time.
        start_time: A run keeps its start time.
        resumable: A finished run can be continued in place.
        any_names: Names of any Unicode are kept exactly.
        call_order: The points of a series are in the order of their calls; otherwise in the order of their times.
        history: Every point of a series and of a list metric is kept; otherwise only the last one.
        params: Params are kept.
        artifacts: Artifact references are kept.
        lines: Lines are kept.
        tags: Tags are kept, whatever their keys are.
        read_back: The hook ``read_run`` reads a run back, for ``multitrack verify``.
        stand_ins: What the backend writes instead, visible and without loss, by the capability that is ``False``.
        gaps: Why there is no stand-in, by the capability that is ``False``.
    """

    typed_params: bool = True
    nan: bool = True
    infinity: bool = True
    point_times: bool = True
    end_time: bool = True
    start_time: bool = True
    resumable: bool = True
    any_names: bool = True
    call_order: bool = True
    history: bool = True
    params: bool = True
    artifacts: bool = True
    lines: bool = True
    tags: bool = True
    read_back: bool = True
    stand_ins: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    gaps: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        explained = [*self.stand_ins, *self.gaps]
        wrong = sorted(name for name in explained if name not in self.missing or explained.count(name) > 1)
        if wrong:
            raise ValueError(
                f"{', '.join(wrong)}: stand_ins and gaps explain the capabilities that are False, each one once"
            )

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the capabilities that are ``False``."""
        return tuple(field.name for field in dataclasses.fields(self) if getattr(self, field.name) is False)

    def why_not(self, name: str) -> str:
        """Return why a capability is ``False``: its stand-in, or the reason of the gap, in words."""
        if name in self.stand_ins:
            return f"stand-in: {self.stand_ins[name]}"
        return self.gaps.get(name, "its README names the stand-in, if there is one")
