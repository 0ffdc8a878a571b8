"""The prompts of an inpainting model. Pure."""

from typing import NamedTuple

from ...lexicon.articles import article_for
from ..propose.proposals import Proposal
from .task import EditTask


FLAWS = "blurry, distorted, low quality"


class Prompts(NamedTuple):
    """What the picture should show (`prompt`), and what it should not show (`negative`)."""

    prompt: str
    negative: str


def custom_prompt(task: EditTask) -> str | None:
    """Return the prompt that a person typed, or None.

    If the person typed the proposal's new word alone, the result is None: `object_prompts` makes a full prompt of it.
    """
    if task.prompt is None or " ".join(task.prompt.lower().split()) == task.proposal.new:
        return None
    return task.prompt


def object_prompts(proposal: Proposal, custom: str | None = None) -> Prompts:
    """Make the prompts for an object of another color or kind: first the object, then the caption as context.

    Args:
        proposal: What the object becomes.
        custom: A person's own prompt. It is used unchanged.
    """
    negative = f"{proposal.old}, {FLAWS}"
    if custom is not None:
        return Prompts(custom, negative)
    noun = proposal.new
    if proposal.concept == "color":
        noun = f"{proposal.new} {proposal.garment or proposal.category}"
    # Names of clothes are often plural ("blue jeans") and clear without an article.
    article = "" if proposal.garment else f"{article_for(noun)} "
    return Prompts(f"a photo of {article}{noun}. {proposal.new_caption}", negative)


def background_prompts(proposal: Proposal, custom: str | None = None) -> Prompts:
    """Make the prompts for the background that a smaller object uncovers.

    Args:
        proposal: The object that becomes smaller.
        custom: A person's own prompt for the background. It is used unchanged.
    """
    # The object is named only in the negative prompt: models tend to paint what "without a bus" mentions.
    return Prompts(custom or "an empty scene, only the background", f"{proposal.category}, {FLAWS}")
