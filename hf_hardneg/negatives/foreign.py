"""Is a caption in another language than English? Pure.

The test looks for function words. It says yes only with evidence: no word that only English has, and words of other
languages or of other scripts. A short caption without function words counts as English.
"""

from collections.abc import Collection


NOT_ENGLISH = "the caption is not English"
# Function words and frequent words of English captions that no other common language shares.
_ENGLISH = frozenset(
    "the with and are his their there this that from while two people standing sitting wearing holding of by it its "
    "street red blue black white green yellow brown water".split()
)
# Function words of other languages that English captions do not have.
_FOREIGN = frozenset(
    # German, Dutch, Swedish, Danish and Norwegian
    "der das dem den ein eine einem einen einer und mit auf ist im vor neben von einige zwei sind beim zum zur über "
    "unter ihrem seinem het een en op met van een naast voor twee zijn bij uit och på ett med av är som två "
    "og til ved er et en hund "
    # French, Spanish, Italian, Portuguese, Catalan and Romanian
    "le la les un une des du et dans avec sur est sont dans au aux deux qui el los las una unos con y en del al "
    "sobre está están junto dos il lo gli di e che della nel sul due sono o os um uma do da na em com ao dois "
    "și pe cu lângă într-un este amb els "
    # Czech, Slovak, Polish, Croatian, Hungarian, Finnish, Turkish and Indonesian
    "se na ve je jsou vedle před muž žena pes stojí sedí i z w jest są obok przed ktoré ktorý dwa dwóch "
    "u nekoliko pored egy és ja on vierellä bir ve bu ile iki üzerinde di yang dan dengan sebuah seorang".split()
) - frozenset("on do i is e o u w z y an al".split())


def looks_foreign(words: Collection[str]) -> bool:
    """Whether a caption is in another language than English, by its lower-case words.

    Examples:
        >>> looks_foreign("ein hund läuft über die wiese".split())
        True
        >>> looks_foreign("dog runs on beach".split())
        False
    """
    if not _ENGLISH.isdisjoint(words):
        return False
    foreign = _FOREIGN.intersection(words)
    accented = {word for word in words if not word.isascii() and word.isalpha()}
    if len(words) > 2 and len(foreign | accented) > 1:  # "crème brûlée" is English
        return True
    letters = [word for word in words if word.isalpha()]
    return bool(letters) and 2 * sum(ord(max(word)) > 0x36F for word in letters) >= len(letters)
