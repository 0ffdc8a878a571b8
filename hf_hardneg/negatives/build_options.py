"""The options of making a dataset with negatives, apart from the draw itself."""

from dataclasses import dataclass

from ..card_metadata import check_license


@dataclass(frozen=True)
class BuildOptions:
    """How `make_negatives` reads the captions and builds the dataset.

    Attributes:
        caption_column: Column of the captions; None takes the usual name that is there.
        split: Split of a dataset folder or Hub id, or a slice such as "test[:20]".
        config: Configuration of a dataset folder or Hub id that has several.
        license: The Hub's id of the license of the captions, such as "cc-by-4.0". None writes "unknown" to the card.
        known_model: Folder of a slot model of other captions, which are used, too. Captions that it was fitted on are
            not used twice.
        language_model: Hub id or folder of a causal language model, which then thins the negatives; None for none.
        num_proc: Processes that draw; None is one process.
        with_audit: Whether to audit the negatives.

    Raises:
        ValueError: If `license` is not spelled as the Hub spells it.

    Examples:
        >>> BuildOptions(license="cc-by-4.0", with_audit=False).split
        'train'
    """

    caption_column: str | None = None
    split: str = "train"
    config: str | None = None
    license: str | None = None
    known_model: str | None = None
    language_model: str | None = None
    num_proc: int | None = None
    with_audit: bool = True

    def __post_init__(self) -> None:
        if self.license is not None:
            check_license(self.license)
