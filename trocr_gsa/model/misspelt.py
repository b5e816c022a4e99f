"""Misspelt names of settings are refused.

What is unusual: transformers keeps a keyword that a configuration or an image processor does not know as an attribute,
because files of other models and versions have other keys. So only a name that nearly is that of a setting is refused.
"""

from collections.abc import Iterable
from difflib import get_close_matches

SIMILARITY = 0.85  # of two names, in [0, 1]


def refuse_misspelt(names: Iterable[str], settings: Iterable[str], owner: type) -> None:
    """Refuse names that are nearly, but not quite, those of a setting.

    Args:
        names: keyword arguments that are not settings.
        settings: names of the settings.
        owner: the class that has them.

    Raises:
        ValueError: for the first such name, with the setting that is probably meant.

    Example:
        >>> refuse_misspelt(["author", "hiden_size"], ["hidden_size"], dict)
        Traceback (most recent call last):
        ValueError: `hiden_size` is not a setting of dict. Did you mean `hidden_size`?
    """
    known = list(settings)
    for name in names:
        near = get_close_matches(name, known, n=1, cutoff=SIMILARITY)
        if near:
            raise ValueError(f"`{name}` is not a setting of {owner.__name__}. Did you mean `{near[0]}`?")
