"""The web page: one column, from the image to the positions of its letters.

What is unusual: it loads nothing from the network, neither fonts nor scripts nor statistics. The image is read again
after every change, one reading at a time for all users.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from trocr_gsa.reader import LineReader

from .desk import EMPTY, Desk
from .dropped_pages import count_dropped
from .examples import draw_examples

CSS = Path(__file__).with_name("page.css")
MAX_FILE_SIZE = "30mb"
KEPT_SECONDS = 3600  # for uploaded files
TITLE = "Read a line, whichever way up"
LEAD = "Rotate the picture: the patches of each letter rotate with it, the text stays the same."
QUARTERS, ANY = 90, 1  # degrees per step of the slider
# What gradio leaves without a name for those who do not see it: the examples, and the text, whose label it gives to the
# button that copies it
NAMES = """() => {
    document.querySelectorAll("#examples .gallery-item").forEach(
        (button, place) => button.setAttribute("aria-label", `example ${place + 1}`));
    document.querySelector("#text textarea").setAttribute("aria-label", "Text");
}"""


def serve(
    model: str | None = None,
    adapters: str | Mapping[str, str] | None = None,
    device: str | None = None,
    host: str | None = None,
    port: int | None = None,
    ready: Callable[[str], None] = print,
    trust_remote_code: bool = False,
) -> None:
    """Load a reader and serve the page until it is interrupted.

    Args:
        model: folder or Hub id of a checkpoint; None: the packaged one.
        adapters: adapters to choose from, by name; or one that is merged into the weights.
        device: device for reading; None: CUDA if it is available, else the CPU.
        host: address to listen on; None: GRADIO_SERVER_NAME if it is set, as on a Space, else localhost.
        port: port; None: the first free one from 7860 on.
        ready: function that is called with the page's address.
        trust_remote_code: run Python code that comes with the model, if its processor needs it.

    Raises:
        ValueError: if gradio is not installed, or the reader's parts do not belong together.
        OSError: if the port is in use.
    """
    import_gradio()
    desk = Desk(LineReader.from_pretrained(model, adapters, device, trust_remote_code=trust_remote_code))
    with tempfile.TemporaryDirectory() as folder:
        page = build_page(desk, draw_examples(Path(folder)))
        _, address, _ = launch(page, host, port)
        ready(address)
        page.block_thread()


def launch(page: Any, host: str | None = None, port: int | None = None) -> tuple[Any, str, str]:
    """Start a page in the background, and return gradio's app, its address, and an empty string."""
    gr = import_gradio()
    return page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        ssr_mode=False,
        footer_links=[],
        max_file_size=MAX_FILE_SIZE,
        css_paths=CSS,
        theme=gr.themes.Base(
            primary_hue="slate",
            neutral_hue="slate",
            font=("system-ui", "sans-serif"),
            font_mono=("ui-monospace", "monospace"),
        ),
    )


def build_page(desk: Desk, examples: Sequence[Path]) -> Any:
    """Build the page, a gradio.Blocks, without starting it.

    Args:
        desk: the desk, which reads the images.
        examples: example files; the first one is shown at the start.

    Raises:
        ValueError: if gradio is not installed.
    """
    gr = import_gradio()
    paths = [str(path) for path in examples]
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(KEPT_SECONDS, KEPT_SECONDS)) as page:
        gr.HTML(f'<h1>{TITLE}</h1><p class="lead">{LEAD}</p>')
        file = gr.File(paths[0], label="A picture of one line, or of a page", height=110, elem_id="file")
        picked = gr.Dataset(
            components=[gr.Image(render=False)],
            samples=[[path] for path in paths],
            label="or one of these",
            type="index",
            elem_id="examples",
        )
        with gr.Row():
            label = "Rotate by, degrees counter-clockwise"
            turn = gr.Slider(0, 360, 0, step=QUARTERS, label=label, elem_id="turn", scale=3)
            free = gr.Checkbox(label="any angle", info="inexact between quarter turns", elem_id="free", min_width=120)
        page_number = gr.Number(1, label="Page", precision=0, minimum=1, visible=False, elem_id="page")
        adapter = gr.Radio(
            desk.choices, value=desk.choices[0], label="Adapter", visible=len(desk.choices) > 1, elem_id="adapter"
        )
        text = gr.Textbox(label="Text", interactive=False, buttons=["copy"], lines=1, max_lines=12, elem_id="text")
        facts = gr.HTML(elem_id="facts")
        looking = gr.HTML(EMPTY, elem_id="looking")
        page.load(js=NAMES, api_visibility="private", show_progress="hidden")
        picked.click(paths.__getitem__, picked, file, api_visibility="private", show_progress="hidden")
        free.change(_steps, [free, turn], turn, api_visibility="private", show_progress="hidden")
        file.change(_pages, file, page_number, api_visibility="private", show_progress="hidden")
        gr.on(
            [page.load, file.change, turn.change, adapter.change, page_number.change],
            desk.read,
            [file, turn, adapter, page_number],
            [text, facts, looking],
            api_name="read",
            concurrency_limit=1,
            trigger_mode="always_last",
            show_progress="hidden",
        )
    return page


def import_gradio() -> ModuleType:
    """Return gradio.

    Raises:
        ValueError: if it is not installed.
    """
    try:
        import gradio
    except ImportError as error:
        raise ValueError("the page needs gradio, which is not installed: pip install 'trocr-gsa[demo]'") from error
    return gradio


def _steps(free: bool, turn: float) -> Any:
    """Set the slider's step: any angle, or quarter turns with the value rounded to the nearest one."""
    if free:
        return import_gradio().update(step=ANY)
    return import_gradio().update(step=QUARTERS, value=QUARTERS * round(turn / QUARTERS))


def _pages(file: str | None) -> Any:
    """Set the field for the page back to the first one, and show it for a file with several."""
    count = count_dropped(file)
    return import_gradio().update(value=1, maximum=count, label=f"Page (1 to {count})", visible=count > 1)
