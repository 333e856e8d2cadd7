"""What became of the weights in a file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LoadReport:
    """What a checkpoint gave to a model."""

    source: str  # the path and the recognised format
    matched: int  # tensors of the model that were loaded
    missing: tuple[str, ...]  # tensors of the model that keep their fresh values
    unexpected: tuple[str, ...]  # entries of the file that the model has no place for
    class_names: tuple[str, ...] | None  # as the file names its classes, if it does
    renamed: tuple[tuple[str, str], ...] = ()  # (name in the file, name in the model)
    notes: tuple[str, ...] = ()  # what was done beside loading
    warnings: tuple[str, ...] = ()  # why results may be worse than expected
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict, compare=False, repr=False)

    def __str__(self) -> str:
        lines = [f"{self.matched} tensors from {self.source}"]
        if self.renamed:
            old, new = self.renamed[0]
            lines.append(f"  {len(self.renamed)} renamed, such as {old} -> {new}")
        if self.missing:
            lines.append(f"  not in the file, left as they were: {self._some(self.missing)}")
        if self.unexpected:
            lines.append(f"  in the file, not in the model: {self._some(self.unexpected)}")
        lines += [f"  {note}" for note in self.notes]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def full(self) -> str:
        """Return every name with its shape, in four groups, after what :func:`str` gives."""
        aside = {*self.missing, *self.unexpected}
        new_names = {new: old for old, new in self.renamed}
        matched = [name for name in self.shapes if name not in aside]
        groups = {
            "matched": [name for name in matched if name not in new_names],
            "renamed": [name for name in matched if name in new_names],
            "missing": list(self.missing),
            "unexpected": list(self.unexpected),
        }
        lines = [str(self)]
        for title, names in groups.items():
            lines += ["", f"{title} ({len(names)})"]
            for name in names:
                was = f"{new_names[name]} -> " if name in new_names else ""
                lines.append(f"  {was}{self._with_shape(name)}")
        return "\n".join(lines)

    def _with_shape(self, name: str) -> str:
        shape = self.shapes.get(name)
        return name if shape is None else f"{name} ({'x'.join(map(str, shape)) or 'one number'})"

    def _some(self, names: tuple[str, ...]) -> str:
        return some([self._with_shape(name) for name in names])


def some(names: Iterable[str], limit: int = 3) -> str:
    """Return the first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "none") + more
