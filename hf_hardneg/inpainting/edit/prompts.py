"""What an inpainting model is told to paint. Pure."""

from typing import NamedTuple

from ...lexicon.articles import article_for
from ..propose.proposals import Proposal
from .task import EditTask


FLAWS = "blurry, distorted, low quality"


class Prompts(NamedTuple):
    """What is to be seen, and what is not."""

    prompt: str
    negative: str


def free_prompt(task: EditTask) -> str | None:
    """What a person typed, unless it is the proposal's new word: of that, a whole prompt is made."""
    if task.prompt is None or " ".join(task.prompt.lower().split()) == task.proposal.new:
        return None
    return task.prompt


def thing_prompts(proposal: Proposal, asked: str | None = None) -> Prompts:
    """Prompts for a thing of another color or kind: the thing comes first, then the caption as context.

    Args:
        proposal: What the thing becomes.
        asked: A person's own prompt, which is taken as it is.
    """
    negative = f"{proposal.old}, {FLAWS}"
    if asked is not None:
        return Prompts(asked, negative)
    thing = proposal.new
    if proposal.concept == "color":
        thing = f"{proposal.new} {proposal.garment or proposal.category}"
    # Clothes are often plural ("blue jeans"), and none of their names needs an article to be understood.
    article = "" if proposal.garment else f"{article_for(thing)} "
    return Prompts(f"a photo of {article}{thing}. {proposal.new_caption}", negative)


def ground_prompts(proposal: Proposal, asked: str | None = None) -> Prompts:
    """Prompts for what is behind a thing that got smaller; `asked` is a person's own, taken as it is."""
    # The thing is named where it counts: a "without" in a prompt draws what it denies.
    return Prompts(asked or "an empty scene, only the background", f"{proposal.category}, {FLAWS}")
