"""Which tokens spell which characters of a text, and how probable each character is.

What is unusual: a reader writes bytes and people read characters. A character is as probable as its bytes together,

    p(character | text before) = Π_bytes p(byte | bytes before),

so that all characters and the end of the line together have the probability of the whole reading. Where a token spells
n characters, as those of a stock TrOCR do, each gets its share, p(token)^(1/n).
"""

import codecs
import math
import unicodedata
from collections.abc import Iterator, Sequence

from transformers import ByT5Tokenizer, PreTrainedTokenizerBase

from trocr_gsa.data.pages.xml_files import without_controls
from trocr_gsa.data.samples import clean_text

Spelt = list[tuple[str, list[int]]]  # pieces of a text, and the places of the tokens that spell each
Characters = list[tuple[str, float]]


def pieces(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> Spelt:
    """Return the pieces of a text that can be told apart: single characters for a tokenizer of bytes.

    Tokens that are marks, such as the end of the line, and bytes that form no character spell nothing.

    Args:
        tokenizer: of a reader.
        ids: of one line's tokens.
    """
    marks = set(tokenizer.all_special_ids)
    places = [place for place, token in enumerate(ids) if token not in marks]
    spelling = [ids[place] for place in places]
    if isinstance(tokenizer, ByT5Tokenizer):
        return _by_bytes(tokenizer, spelling, places)
    return _by_prefixes(tokenizer, spelling, places)


def character_probabilities(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], log_p: Sequence[float], text: str
) -> tuple[float, ...]:
    """Return the probability of each character of a text, in [0, 1].

    Args:
        tokenizer: that the text was decoded by.
        ids: of its tokens.
        log_p: log p(token | tokens before) of each.
        text: what they were decoded to.
    """
    spelt = pieces(tokenizer, ids)
    if "".join(piece for piece, _ in spelt) != text:  # the decoder tidied up: which token spells what is lost
        spelt = [(text, [place for _, places in spelt for place in places])]
    found: list[float] = []
    for piece, places in spelt:
        share = sum(log_p[place] for place in places) / max(1, len(piece))
        found += [math.exp(min(share, 0.0))] * len(piece)
    return tuple(found)


def cleaned(text: str, probabilities: Sequence[float]) -> tuple[str, tuple[float, ...]]:
    """Return `clean_text(without_controls(text))`, as files have it, and the probabilities of its characters.

    Characters that become one, such as a letter and its accent, have the product of their probabilities.

    Args:
        text: as it was read.
        probabilities: of each of its characters.
    """
    if clean_text(without_controls(text)) == text:
        return text, tuple(probabilities)
    kept = [(letter, p) for letter, p in zip(text, probabilities, strict=True) if without_controls(letter)]
    found = _single_spaces([each for cluster in _clusters(kept) for each in _composed(cluster)])
    return "".join(letter for letter, _ in found), tuple(p for _, p in found)


def _by_bytes(tokenizer: ByT5Tokenizer, ids: Sequence[int], places: Sequence[int]) -> Spelt:
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    spelt: Spelt = []
    for number, token in enumerate(ids):
        letter = decoder.decode(bytes([token - tokenizer.offset]))
        if letter:
            spelt.append((letter, list(places[number + 1 - len(letter.encode()) : number + 1])))
    return spelt


def _by_prefixes(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], places: Sequence[int]) -> Spelt:
    """Decode longer and longer beginnings: what a token adds is what it spells."""
    spelt: Spelt = []
    known, waiting = "", []
    for number, place in enumerate(places):
        waiting.append(place)
        text = str(tokenizer.decode(list(ids[: number + 1])))
        if len(text) > len(known) and not text.endswith("\N{REPLACEMENT CHARACTER}"):
            spelt.append((text[len(known) :], waiting))
            known, waiting = text, []
    return spelt


def _clusters(characters: Characters) -> Iterator[Characters]:
    """Split where composing (NFC) never reaches across."""
    cluster: Characters = []
    for letter, p in characters:
        before = "".join(each for each, _ in cluster)
        joined = unicodedata.normalize("NFC", before + letter)
        apart = unicodedata.normalize("NFC", before) + unicodedata.normalize("NFC", letter)
        if cluster and not unicodedata.combining(letter) and joined == apart:
            yield cluster
            cluster = []
        cluster.append((letter, p))
    if cluster:
        yield cluster


def _composed(cluster: Characters) -> Characters:
    text = "".join(letter for letter, _ in cluster)
    composed = unicodedata.normalize("NFC", text)
    if composed == text:
        return cluster
    share = math.prod(p for _, p in cluster) ** (1 / len(composed))
    return [(letter, share) for letter in composed]


def _single_spaces(characters: Characters) -> Characters:
    """Leave one space of several, and none at the ends."""
    found: Characters = []
    for letter, p in characters:
        if not letter.isspace():
            found.append((letter, p))
        elif found and found[-1][0] != " ":
            found.append((" ", p))
    return found[:-1] if found and found[-1][0] == " " else found
