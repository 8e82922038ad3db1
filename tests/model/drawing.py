"""Draws a story of the model as a sequence diagram, in letters."""

from __future__ import annotations

from tests.model.world import Step

_WIDTH = 15  # of a lane
# From whom to whom an action goes: a process is P, the store S, the authorization server A.
_ARROWS = {
    "looks": "SP", "adopts": "SP", "locks": "PS", "cannot lock": "SP", "reads": "SP", "proves its lock": "SP",
    "has lost its lock": "SP", "sends": "PA", "is served": "A", "is put off": "A", "hears the pair": "AP",
    "hears the refusal": "AP", "hears that it is unavailable": "AP", "saves": "PS", "cannot save": "SP",
    "finds a newer one": "SP", "finds another one": "SP", "believes the refusal": "PS", "leaves": "PS",
    "forgets": "PS", "has a new consent": "AP", "its lease ends": "S",
}  # fmt: skip


def draw(story: list[Step], processes: int) -> str:
    """Return the story, one line a step, below the names of who takes part."""
    lanes = [f"process {number + 1}" for number in range(processes)] + ["store", "server"]
    head = "".join(f"{lane:<{_WIDTH}}" for lane in lanes).rstrip()
    lines = [head, *(_line(step, processes) for step in story)]
    broken = next((step.broken for step in reversed(story) if step.broken), "lost")
    return "\n".join([*lines, f"=> {broken}"])


def _line(step: Step, processes: int) -> str:
    lanes = {"P": step.actor or 0, "S": processes, "A": processes + 1}
    text = [" "] * (_WIDTH * (processes + 2))
    for lane in range(processes + 2):
        text[lane * _WIDTH] = "|"
    if step.actor is None:
        return "".join(text).rstrip() + f"    ~ {step.action}"
    ends = _ARROWS.get(step.action, "P")
    source, target = lanes[ends[0]] * _WIDTH, lanes[ends[-1]] * _WIDTH
    left, right = sorted((source, target))
    if left != right:
        text[left + 1 : right] = "-" * (right - left - 1)
        text[right - 1 if target > source else left + 1] = ">" if target > source else "<"
    at = left + 2
    label = f" {step.action} " if left != right else f" {step.action}"
    text[at : at + len(label)] = label
    return "".join(text).rstrip()
