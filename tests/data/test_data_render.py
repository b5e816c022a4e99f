import multiprocessing
import struct
import zlib

import numpy as np
import pytest
from line_makers import BUILTIN
from PIL import ImageFont

from trocr_gsa.data import Corpus, Font, LineRenderer, RenderedLines, RenderStyle, TextCorpus, find_fonts
from trocr_gsa.data.synthetic import fonts
from trocr_gsa.data.synthetic.corpus import fit
from trocr_gsa.data.synthetic.words import LANGUAGES
from trocr_gsa.data.synthetic.writer import long_s

NO_LISTS = Corpus(dictionaries="/no/word/lists")
SEEDS = range(60)


def draw(seed):
    sample = LineRenderer([BUILTIN], NO_LISTS)(seed)
    return sample.text, sample.image.tobytes()


@pytest.fixture
def font_folder(tmp_path, monkeypatch):
    """A folder with one real font file, and one file that only claims to be a font."""
    fonts._scan_all.cache_clear()
    folder = tmp_path / "fonts"
    folder.mkdir()
    (folder / "real.ttf").write_bytes(ImageFont.load_default(20).font_bytes)
    (folder / "broken.ttf").write_text("no font")
    yield folder
    fonts._scan_all.cache_clear()


def test_a_seed_determines_its_line(renderer):
    first, again = renderer(7), renderer(7)
    assert first.text == again.text
    assert first.image.tobytes() == again.image.tobytes()


def test_another_seed_gives_another_line(renderer):
    assert len({renderer(seed).image.tobytes() for seed in SEEDS}) == len(SEEDS)


def test_another_process_draws_the_same_line():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(draw, [3, 4]) == [draw(3), draw(4)]


def test_every_character_is_one_that_the_font_can_draw(renderer):
    for seed in SEEDS:
        assert set(renderer(seed).text) <= BUILTIN.charset


def test_the_charset_holds_no_character_that_is_drawn_as_missing():
    font = fonts.load_font("", 64)
    missing = fonts.glyph(font, "\uffff")
    assert all(fonts.glyph(font, char) != missing for char in BUILTIN.charset - {" "})
    assert "a" in BUILTIN.charset
    assert "ſ" not in BUILTIN.charset  # the control: this font has no long s


def test_lines_are_grey_of_the_height_asked_for():
    renderer = LineRenderer([BUILTIN], NO_LISTS, RenderStyle(height=40))
    for seed in SEEDS:
        image = renderer(seed).image
        assert image.mode == "L"
        assert image.height == 40
        assert image.width >= 40


def test_ink_stands_out_from_paper(renderer):
    for seed in SEEDS:
        low, high = renderer(seed).image.getextrema()
        assert high - low > 30


def test_a_longer_text_is_a_wider_picture():
    widths = [LineRenderer([BUILTIN], TextCorpus(("word " * n,)))(1).image.width for n in (1, 5, 15)]
    assert widths == sorted(widths)
    assert widths[2] > 2 * widths[1]


def test_lengths_resemble_lines_of_a_book():
    charset = BUILTIN.charset | {"ſ", "⸗"}
    lengths = [len(NO_LISTS.line(np.random.default_rng(seed), charset)) for seed in range(600)]
    assert min(lengths) >= 1
    assert max(lengths) <= 90
    assert 35 <= np.median(lengths) <= 55


def test_each_language_writes_with_its_letters():
    for name in LANGUAGES:
        corpus = Corpus((name,), dictionaries="/no/word/lists")
        text = " ".join(corpus.line(np.random.default_rng(seed), BUILTIN.charset) for seed in range(20))
        assert len(text) > 200
    with pytest.raises(ValueError, match=r"`languages` must be among .*'german'"):
        Corpus(("klingon",))


def test_a_word_list_is_used_where_there_is_one(tmp_path):
    (tmp_path / "american-english").write_text("zzyzx\nABBREV\nit's\n")
    corpus = Corpus(("english",), dictionaries=str(tmp_path))
    text = " ".join(corpus.line(np.random.default_rng(seed), BUILTIN.charset) for seed in range(20))
    assert "zzyzx" in text
    assert "ABBREV" not in text


def test_the_long_s_stands_before_letters_only():
    assert long_s("dessen") == "deſſen"
    assert long_s("Haus") == "Haus"
    assert long_s("ist") == "iſt"


def test_what_a_font_lacks_is_rewritten():
    assert fit("„Geiſt“ — Fuß, été 8", frozenset(map(chr, range(32, 127)))) == '"Geist" - Fuss, ete 8'
    assert fit("abc 123", frozenset("abc ")) == "abc"


def test_a_charset_without_letters_is_refused():
    with pytest.raises(ValueError, match="`charset`"):
        NO_LISTS.line(np.random.default_rng(0), frozenset(" "))


def test_own_texts_are_rendered(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("first line\n\nsecond line\n", encoding="utf-8")
    renderer = LineRenderer([BUILTIN], TextCorpus.from_file(path))
    assert {renderer(seed).text for seed in range(20)} == {"first line", "second line"}
    with pytest.raises(ValueError, match="`lines`"):
        TextCorpus((" ",))


def test_families_share_evenly_however_many_files_they_have():
    many = [Font("", "Large", str(i)) for i in range(30)]
    renderer = LineRenderer([*many, Font("", "Small")], NO_LISTS)
    families = [renderer(seed).document for seed in range(100)]
    assert 35 <= families.count("Small") <= 65


def test_rare_material_is_drawn_more_often():
    assert Font("", "Some Fraktur").weight > Font("", "Some Serif").weight > Font("", "Some Mono").weight


def test_without_fonts_on_the_system_the_one_inside_pillow_serves(monkeypatch):
    monkeypatch.setattr(fonts, "font_folders", list)
    fonts._scan_all.cache_clear()
    assert [font.family for font in find_fonts()] == [fonts.BUILTIN_FAMILY]
    fonts._scan_all.cache_clear()


def test_a_font_folder_is_searched_and_broken_files_passed_over(font_folder):
    (font,) = find_fonts(font_folder)
    assert font.family.startswith("Aileron")
    assert set(LineRenderer([font], NO_LISTS)(0).text) <= font.charset


def test_a_web_font_is_found_and_draws_what_its_original_draws(font_folder):
    (font,) = find_fonts(font_folder)
    drawn = LineRenderer([font], NO_LISTS)(0).image.tobytes()
    fonts._scan_all.cache_clear()
    (font_folder / "real.ttf").rename(font_folder / "real")
    (font_folder / "web.woff").write_bytes(web_font((font_folder / "real").read_bytes()))
    (found,) = find_fonts(font_folder)
    assert (found.family, found.charset) == (font.family, font.charset)
    assert LineRenderer([found], NO_LISTS)(0).image.tobytes() == drawn


def web_font(font: bytes) -> bytes:
    """Wrap a TrueType font as WOFF 1.0, tables compressed."""
    (count,) = struct.unpack(">H", font[4:6])
    place, entries, tables = 44 + 20 * count, b"", b""
    for row in range(count):
        tag, checksum, offset, length = struct.unpack_from(">4s3I", font, 12 + 16 * row)
        table = zlib.compress(font[offset : offset + length])
        table = table if len(table) < length else font[offset : offset + length]
        entries += struct.pack(">4s4I", tag, place + len(tables), len(table), length, checksum)
        tables += table + bytes(-len(table) % 4)
    whole = place + len(tables), count, 0, (len(font) + 3) // 4 * 4
    return struct.pack(">4s4sI2HI2H5I", b"wOFF", font[:4], *whole, 1, 0, 0, 0, 0, 0, 0) + entries + tables


def test_families_can_be_held_out(font_folder):
    family = find_fonts(font_folder)[0].family
    assert find_fonts(font_folder, only=[family.upper()])
    with pytest.raises(ValueError, match="`exclude` leaves none"):
        find_fonts(font_folder, exclude=[family])
    with pytest.raises(ValueError, match="`only`: no usable font of the family 'Times'"):
        find_fonts(font_folder, only=["Times"])


def test_a_folder_without_fonts_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no font \(\.otf, \.ttc, \.ttf, \.woff, \.woff2\)"):
        find_fonts(tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        find_fonts(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="`fonts` must not be empty"):
        LineRenderer([])


def test_later_epochs_render_fresh_lines(renderer):
    lines = RenderedLines(renderer, 5)
    assert lines[5 + 1].name == "rendered-6"
    assert RenderedLines(renderer, 5, first_seed=100, fresh=False)[5 + 1].name == "rendered-101"


def test_texts_are_known_without_drawing(renderer):
    lines = RenderedLines(renderer, 5)
    assert lines.texts(epoch=1) == [lines[5 + i].text for i in range(5)]


def test_estimated_sizes_are_near_the_true_ones(renderer):
    lines = RenderedLines(renderer, 40)
    estimated = sum(width for width, _ in lines.sizes())
    true = sum(sample.image.width for sample in lines)
    assert 0.7 < estimated / true < 1.4


def test_impossible_sizes_are_refused(renderer):
    with pytest.raises(ValueError, match="`height` must lie in 16"):
        RenderStyle(height=4)
    with pytest.raises(ValueError, match="`size` must be at least 1"):
        RenderedLines(renderer, 0)


def test_a_language_that_came_later_changes_no_line_of_before():
    assert Corpus().languages == ("german", "german-old", "french", "english", "italian", "latin")
    assert {"dutch", "polish", "czech", "danish", "swedish", "spanish", "portuguese"} < set(LANGUAGES)
