"""Pages of print, rendered with Pillow's builtin font."""

from PIL import Image, ImageDraw, ImageFont

TEXTS = ["Ein Wort gab das andere, und keines", "hielt, was es versprach; am Ende stand", "St. Ulrich.", "nur noch"]


def page(lines: int, leading: float = 1.4, size: int = 24, texts: list[str] = TEXTS, margin: int = 20) -> Image.Image:
    """Draw `lines` lines, dark on light; `size` and `margin` are in pixels, `leading` is in units of `size`."""
    font, pitch = ImageFont.load_default(size), round(leading * size)
    texts = [texts[number % len(texts)] for number in range(lines)]
    width = int(max(font.getlength(text) for text in texts)) + 2 * margin
    image = Image.new("L", (width, pitch * (lines - 1) + int(1.3 * size) + 2 * margin), 230)
    for number, text in enumerate(texts):
        ImageDraw.Draw(image).text((margin, margin + number * pitch), text, fill=30, font=font)
    return image
