"""Two processes share a folder of pages and write the files that one writes."""

from forked_processes import run_together
from page_makers import make_folder


def test_two_processes_write_the_pages_that_one_writes(call, page_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    pages = make_folder(tmp_path / "pages", "page", [["one"], ["two"], ["three"]])
    words = ["read", pages, "--model", page_checkpoint, "--format", "page", "--output-dir"]
    assert call(*words, tmp_path / "alone").exit_code == 0
    (tmp_path / "together").mkdir()
    kept = tmp_path / "together" / "0002.xml"
    kept.write_text("kept")
    done = run_together(2, [*words, tmp_path / "together"], tmp_path / "logs")
    assert done.returncode == 0
    assert done.stderr.count("already there and left as they are: 1 pages") == 1
    assert kept.read_text() == "kept"
    alone = {path.name: path.read_bytes() for path in (tmp_path / "alone").iterdir()}
    together = {path.name: path.read_bytes() for path in (tmp_path / "together").iterdir()}
    assert together == alone | {"0002.xml": b"kept"}
    assert len(alone) == 3


def test_several_processes_need_a_file_for_every_page(call, tmp_path, monkeypatch):
    pages = make_folder(tmp_path / "pages", "page", [["one"]])
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = call("read", pages, "--output", tmp_path / "out.txt")
    assert result.exit_code == 2
    assert "Add --output-dir FOLDER" in result.stderr
