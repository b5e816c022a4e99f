"""A local server with the few addresses of the Hub that uploads and downloads use."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

LARGE = ".safetensors"
FILES = "{repo_id}/resolve/{revision}/{filename}"


class StandInHub(ThreadingHTTPServer):
    """A stand-in for the Hub that supports uploads and downloads. Of files sent by Xet it gets only the SHA-256.

    Attributes:
        files: content by repository and path; for files sent by Xet, their SHA-256 in hexadecimal.
        private: whether a repository is private, by its name.
        commits: number of commits.
        tokens: authorization headers of the requests that created repositories and commits.
        large_as: upload mode of weights, "regular" or "lfs".
        refusal: status code for every request; None: normal operation.
        card_error: error message about every model card; None: no error.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, dict[str, bytes | str]] = {}
        self.private: dict[str, bool] = {}
        self.commits = 0
        self.tokens: set[str | None] = set()
        self.large_as = "regular"
        self.refusal: int | None = None
        self.card_error: str | None = None
        self.stored: dict[str, bytes] = {}

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def hub_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    """Start a stand-in Hub, and redirect all requests to it."""
    with StandInHub() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.endpoint)
        monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", server.endpoint)
        monkeypatch.setattr("transformers.utils.hub._hf_api", None, raising=False)  # it keeps its endpoint
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", f"{server.endpoint}/{FILES}")
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield server
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: StandInHub

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        self._send_file() if "/resolve/" in self.path else self._respond("GET")

    def do_HEAD(self) -> None:
        self._send_file()

    def do_POST(self) -> None:
        self._respond("POST")

    def do_PUT(self) -> None:
        self._respond("PUT")

    def _respond(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, answer = (self.server.refusal, {}) if self.server.refusal else self._answer(method, body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_file(self) -> None:
        owner, name, _, _, path = self.path.strip("/").split("?")[0].split("/", 4)
        content = self.server.files.get(f"{owner}/{name}", {}).get(path)
        found = isinstance(content, bytes) and not self.server.refusal
        self.send_response(200 if found else self.server.refusal or 404)
        body = content if isinstance(content, bytes) and found else b""
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", f"{self.server.commits:040x}")
        self.send_header("Content-Length", str(len(body)))
        if not found:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _answer(self, method: str, body: bytes) -> tuple[int, Any]:  # noqa: C901
        match (method, *self.path.strip("/").split("?")[0].split("/")):
            case "POST", "api", "repos", "create":
                return self._create(json.loads(body))
            case "POST", "api", "validate-yaml":
                error = self.server.card_error
                return (400 if error else 200), {"errors": [{"message": error}], "warnings": []}
            case "GET", "api", "models", owner, name:
                return self._describe(f"{owner}/{name}")
            case "POST", "api", "models", _, _, "preupload", "main":
                return 200, {"files": [self._mode(file["path"]) for file in json.loads(body)["files"]]}
            case "POST", "api", "models", owner, name, "commit", "main":
                return self._commit(f"{owner}/{name}", body)
            case "POST", _, _, "info", "lfs", "objects", "batch":
                return 200, {"transfer": "basic", "objects": [self._place(o) for o in json.loads(body)["objects"]]}
            case "PUT", "stored", oid:
                self.server.stored[oid] = body
                return 200, {}
            case "GET", "api", "models", _, _, "xet-write-token", "main":
                return 200, {"casUrl": self.server.endpoint, "accessToken": "xet", "exp": 2**33}
            case "POST", "v1", "xorbs", *_:
                return 200, {"was_inserted": True}
            case "POST", "v1", "shards":
                return 200, {"result": 1}
        return 404, {}

    def _create(self, wish: dict[str, Any]) -> tuple[int, Any]:
        self.server.tokens.add(self.headers.get("Authorization"))
        name = f"{wish['organization']}/{wish['name']}"
        known = name in self.server.private
        if not known:
            self.server.private[name] = wish.get("visibility") == "private"
            self.server.files[name] = {}
        return (409 if known else 200), {"url": f"{self.server.endpoint}/{name}"}

    def _describe(self, name: str) -> tuple[int, Any]:
        if name not in self.server.private:
            return 404, {}
        return 200, {"id": name, "private": self.server.private[name], "sha": "0" * 40, "tags": [], "siblings": []}

    def _mode(self, path: str) -> dict[str, Any]:
        mode = self.server.large_as if path.endswith(LARGE) else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": False}

    def _place(self, wanted: dict[str, Any]) -> dict[str, Any]:
        href = f"{self.server.endpoint}/stored/{wanted['oid']}"
        return wanted | {"authenticated": True, "actions": {"upload": {"href": href}}}

    def _commit(self, name: str, body: bytes) -> tuple[int, Any]:
        self.server.tokens.add(self.headers.get("Authorization"))
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                self.server.files[name][value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.server.files[name][value["path"]] = self.server.stored.get(value["oid"], value["oid"])
        self.server.commits += 1
        oid = f"{self.server.commits:040x}"
        url = f"{self.server.endpoint}/{name}/commit/{oid}"
        return 200, {"commitUrl": url, "commitOid": oid, "pullRequestUrl": None}
