"""Damaged configurations: each is read or named in one line, at once, and what is read is written and read again."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest
import yaml
from limits import limited, named, shares
from mutations import ENCODINGS, mutated

from trocr_gsa.train.arguments import TrainingArguments, read_config

CONFIGS = sorted((Path(__file__).parents[2] / "trocr_gsa" / "configs").glob("*.yaml"))
FEW, MANY, SHARE = 100, 10_000, 100
WORDS = ".inf .nan 0123 0x10 12:30 2020-01-01 2020-13-45 yes null ~ '' -1 0 0.5 5 16 1e999 true [] {} [[]] *a % lines"
VALUES = [*WORDS.split(), "{a: {b: c}}", "&a [*a]", "&a x", "!!python/object:os.system x", "!x y", "9" * 400,
          "9" * 5000, "3000000", "10000000", "[0, .inf]", "[" * 1500, "{a: " * 1500, "'open", "| text", "x" * 5000,
          "\u200b", "\0", "[true, null]", "? a", "lines:0.5", "<<: {rank: 4}", "[a, b]"]  # fmt: skip
PLAIN_KEYS = (
    "rank train validation model max_steps seed angles augment learning_rate architecture encoder_hidden_size 1 << "
    "output encoder_group decoder_layers encoder_num_hidden_layers nonsense precision patience resume targets "
    "warm_start"
)
KEYS = [*PLAIN_KEYS.split(), "[a, b]", "x" * 2000]
STRAY = ["--resume", "rank=4", "output=a", "--seed", "seed=3", "--", "=", "--a=b", "\udce9=1"]


def seeds() -> list[bytes]:
    """The shipped configurations, with lines to learn from where they name none."""
    contents = [path.read_bytes() for path in CONFIGS]
    lines = b"train: [lines, more:0.5]\nvalidation: lines\n"
    return [content if b"\ntrain:" in content else lines + content for content in contents]


SEEDS = seeds()


def damaged(random: Random) -> bytes:
    """Damage the bytes of a shipped configuration, or exchange and add values, keys and encodings."""
    content = random.choice(SEEDS)
    if random.random() < 0.4:
        return mutated(content, random, is_xml=False)
    rows = [row for row in content.decode().splitlines() if row and not row.startswith("#")]
    for _ in range(random.choice((1, 1, 2, 5))):
        place = random.randrange(len(rows))
        key = random.choice([rows[place].partition(":")[0], random.choice(KEYS)])
        row = f"{key}: {random.choice(VALUES)}"
        rows[place : place + random.choice((0, 1))] = [row]
    text = "\n".join(rows)
    encoding = random.choice(ENCODINGS) if random.random() < 0.2 else "utf-8"
    return text.encode(encoding, errors="replace")


def outcome(words: list[str], folder: Path) -> str:
    """Read the words of a command, write what they say and read it again."""
    try:
        arguments = TrainingArguments.from_command_line(words)
    except ValueError as error:
        return named(error)
    written = folder / "written.yaml"
    written.write_text(yaml.safe_dump(arguments.to_dict(), allow_unicode=True), encoding="utf-8")
    assert TrainingArguments.from_dict(read_config(written)) == arguments
    return "read"


@pytest.mark.parametrize("start", shares(FEW, MANY, SHARE))
def test_a_damaged_configuration_is_read_or_named(tmp_path, start):
    path = tmp_path / "config.yaml"
    outcomes: Counter[str] = Counter()
    for seed in range(start, start + SHARE):
        path.write_bytes(damaged(Random(f"config {seed}")))
        with limited(f"config {seed}"):
            outcomes[outcome([str(path)], tmp_path)] += 1
    print(f"configurations {start} to {start + SHARE}: {dict(outcomes)}")
    assert min(outcomes["read"], outcomes["named"]) > 0


def test_every_undamaged_configuration_is_read(tmp_path):
    """The control."""
    for number, content in enumerate(SEEDS):
        (tmp_path / f"{number}.yaml").write_bytes(content)
        assert outcome([str(tmp_path / f"{number}.yaml")], tmp_path) == "read"


@pytest.mark.parametrize("start", shares(FEW, MANY, SHARE))
def test_damaged_words_of_the_command_line_are_read_or_named(tmp_path, start):
    outcomes: Counter[str] = Counter()
    for seed in range(start, start + SHARE):
        random = Random(f"words {seed}")
        words = ["train=lines", f"{random.choice(KEYS)}={random.choice(VALUES)}"]
        words.insert(random.randrange(1, 3), random.choice(STRAY))
        with limited(f"words {seed}"):
            outcomes[outcome(words, tmp_path)] += 1
    print(f"words {start} to {start + SHARE}: {dict(outcomes)}")
    assert min(outcomes["read"], outcomes["named"]) > 0
