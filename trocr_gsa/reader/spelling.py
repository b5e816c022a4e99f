"""Which tokens form which characters of a text, and the probability of each character.

What is unusual: the reader's tokens are bytes, but users need characters. The probability of a character is the product
of the probabilities of its bytes,

    p(character | text before) = Π_bytes p(byte | bytes before),

so that the product over all characters and the end token is the probability of the text. If a token forms n characters,
as in a converted TrOCR, each has the probability p(token)^(1/n).
"""

import codecs
import math
import unicodedata
from collections.abc import Iterator, Sequence

from transformers import ByT5Tokenizer, PreTrainedTokenizerBase

from trocr_gsa.data.pages.xml_files import without_controls
from trocr_gsa.data.samples import clean_text

Spelt = list[tuple[str, list[int]]]  # pieces of a text, each with the indices of its tokens
Characters = list[tuple[str, float]]


def pieces(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> Spelt:
    """Return the smallest pieces of a text that consist of whole tokens: characters, for a tokenizer of bytes.

    Special tokens, such as the end token, and bytes that form no character belong to no piece.

    Args:
        tokenizer: the reader's tokenizer.
        ids: ids of the tokens of one line.
    """
    special = set(tokenizer.all_special_ids)
    places = [place for place, token in enumerate(ids) if token not in special]
    spelling = [ids[place] for place in places]
    if isinstance(tokenizer, ByT5Tokenizer):
        return _by_bytes(tokenizer, spelling, places)
    return _by_prefixes(tokenizer, spelling, places)


def character_probabilities(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], log_p: Sequence[float], text: str
) -> tuple[float, ...]:
    """Return the probability of each character of a text, in [0, 1].

    Args:
        tokenizer: the tokenizer that decoded the text.
        ids: ids of its tokens.
        log_p: log p(token | tokens before) of each.
        text: the decoded text.
    """
    spelt = pieces(tokenizer, ids)
    if "".join(piece for piece, _ in spelt) != text:  # decoding changed the text: its tokens are unknown
        spelt = [(text, [place for _, places in spelt for place in places])]
    found: list[float] = []
    for piece, places in spelt:
        share = sum(log_p[place] for place in places) / max(1, len(piece))
        found += [math.exp(min(share, 0.0))] * len(piece)
    return tuple(found)


def cleaned(text: str, probabilities: Sequence[float]) -> tuple[str, tuple[float, ...]]:
    """Return `clean_text(without_controls(text))`, as it is written to files, and the probabilities of its characters.

    Characters that are merged, such as a letter and its accent, get the product of their probabilities.

    Args:
        text: the text that was read.
        probabilities: the probability of each of its characters.
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
    """Decode longer and longer prefixes: a token forms the characters that it adds."""
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
    """Split into parts that NFC normalisation never joins."""
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
    """Replace each run of spaces by one space, and remove those at the ends."""
    found: Characters = []
    for letter, p in characters:
        if not letter.isspace():
            found.append((letter, p))
        elif found and found[-1][0] != " ":
            found.append((" ", p))
    return found[:-1] if found and found[-1][0] == " " else found
