"""The page of `trocr-gsa serve` as a Hugging Face Space, which runs this file; spaces/README.md says how."""

from trocr_gsa.demo import serve

MODEL = None  # a checkpoint's folder or Hub id; None: the packaged one
ADAPTERS: dict[str, str] = {}  # to choose from: {"my_hand": "owner/adapter"}

if __name__ == "__main__":
    serve(MODEL, ADAPTERS)
