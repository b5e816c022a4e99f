"""The page: one column, from the picture down to where its letters were found.

What is unusual: it asks nothing of the network, neither fonts nor scripts nor statistics; and whatever is moved, the
picture is read again, one reading at a time for all who have the page open.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from trocr_gsa.reader import LineReader

from .desk import EMPTY, Desk
from .examples import draw_examples

CSS = Path(__file__).with_name("page.css")
LARGEST_FILE = "30mb"
KEPT_SECONDS = 3600  # of an upload
TITLE = "Read a line, whichever way up"
LEAD = "Turn the picture: the patches that each letter was found in turn with it, the text stays."
QUARTERS, ANY = 90, 1  # degrees of a step


def serve(
    model: str | None = None,
    adapters: str | Mapping[str, str] | None = None,
    device: str | None = None,
    host: str | None = None,
    port: int | None = None,
    ready: Callable[[str], None] = print,
    trust_remote_code: bool = False,
) -> None:
    """Load a reader and show the page until it is interrupted.

    Args:
        model: a checkpoint's folder or Hub id; None: the packaged one.
        adapters: to choose from, by name; or one, merged into the weights.
        device: where to read; None: CUDA where there is some.
        host: address to listen on; None: what GRADIO_SERVER_NAME says, as on a Space, else this machine alone.
        port: None: the first that is free from 7860.
        ready: called with the page's address.
        trust_remote_code: run Python code that comes with the model, where its processor needs it.

    Raises:
        ValueError: if gradio is not installed, or the reader's parts do not belong together.
        OSError: if the port is taken.
    """
    import_gradio()
    desk = Desk(LineReader.from_pretrained(model, adapters, device, trust_remote_code=trust_remote_code))
    with tempfile.TemporaryDirectory() as folder:
        page = build_page(desk, draw_examples(Path(folder)))
        _, address, _ = launch(page, host, port)
        ready(address)
        page.block_thread()


def launch(page: Any, host: str | None = None, port: int | None = None) -> tuple[Any, str, str]:
    """Start a page in the background and return gradio's app, its address, and nothing."""
    gr = import_gradio()
    return page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        ssr_mode=False,
        footer_links=[],
        max_file_size=LARGEST_FILE,
        css_paths=CSS,
        theme=gr.themes.Base(
            primary_hue="slate",
            neutral_hue="slate",
            font=("system-ui", "sans-serif"),
            font_mono=("ui-monospace", "monospace"),
        ),
    )


def build_page(desk: Desk, examples: Sequence[Path]) -> Any:
    """Return the page, a gradio.Blocks, not yet shown.

    Args:
        desk: reads.
        examples: files that may be picked; the first lies there at the start.

    Raises:
        ValueError: if gradio is not installed.
    """
    gr = import_gradio()
    paths = [str(path) for path in examples]
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(KEPT_SECONDS, KEPT_SECONDS)) as page:
        gr.HTML(f'<h1>{TITLE}</h1><p class="lead">{LEAD}</p>')
        file = gr.File(paths[0], label="A picture of one line", height=110, elem_id="file")
        picked = gr.Dataset(
            components=[gr.Image(render=False)],
            samples=[[path] for path in paths],
            label="or one of these",
            type="index",
            elem_id="examples",
        )
        with gr.Row():
            label = "Turn it by, degrees counter-clockwise"
            turn = gr.Slider(0, 360, 0, step=QUARTERS, label=label, elem_id="turn", scale=3)
            free = gr.Checkbox(label="any angle", info="inexact between quarter turns", elem_id="free", min_width=120)
        adapter = gr.Radio(
            desk.choices, value=desk.choices[0], label="Adapter", visible=len(desk.choices) > 1, elem_id="adapter"
        )
        text = gr.Textbox(label="Text", interactive=False, buttons=["copy"], lines=1, max_lines=4, elem_id="text")
        facts = gr.HTML(elem_id="facts")
        looking = gr.HTML(EMPTY, elem_id="looking")
        picked.click(paths.__getitem__, picked, file, api_visibility="private", show_progress="hidden")
        free.change(_steps, [free, turn], turn, api_visibility="private", show_progress="hidden")
        gr.on(
            [page.load, file.change, turn.change, adapter.change],
            desk.read,
            [file, turn, adapter],
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
        raise ValueError("the page needs gradio, which is not here: pip install 'trocr-gsa[demo]'") from error
    return gradio


def _steps(free: bool, turn: float) -> Any:
    """Let the slider stop anywhere, or put it back to the nearest quarter."""
    if free:
        return import_gradio().update(step=ANY)
    return import_gradio().update(step=QUARTERS, value=QUARTERS * round(turn / QUARTERS))
