"""A Hub in memory on 127.0.0.1 for the real client: repositories, commits, LFS, downloads and failures."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

TOKEN = "hf_test"
LFS_OVER = 10_000  # bytes

OWNER = "tester"


@dataclass
class Repository:
    """Commits by their hash, the newest last; a file is its content."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    titles: list[str] = field(default_factory=list)

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.head]

    def commit(self, title: str, files: dict[str, bytes]) -> None:
        self.commits[hashlib.sha1(f"{title}{len(self.commits)}".encode()).hexdigest()] = files
        self.titles.append(title)


@dataclass
class Hub:
    """What is stored, what was asked for, and what is to go wrong.

    Args:
        url: of the server.
        refuses: whether a request, by method and path, is answered by an error.
        breaks: whether the connection ends instead of an answer to a request.
    """

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    refuses: Callable[[str], bool] = lambda request: False
    breaks: Callable[[str], bool] = lambda request: False

    def answer(self, request: str, body: bytes, token: str | None) -> tuple[int, Any, dict[str, str]]:
        """Status, content and headers."""
        self.requests.append(request)
        method, path = request.split(" ", 1)
        if self.refuses(request):
            return error(403, "the storage of tester is full")  # the client tries again after some other errors
        if method == "POST" and token != TOKEN:
            return error(401, "Invalid username or password.")
        for pattern, handle in ROUTES:
            if match := re.fullmatch(pattern, path):
                name = match.groupdict().get("name")
                if name is not None and (name not in self.repositories or self._hidden(name, token)):
                    return error(404, "Repository not found", "RepoNotFound")
                return handle(self, body, **match.groupdict())
        return error(404, f"no route {request}", "EntryNotFound")

    def _hidden(self, name: str, token: str | None) -> bool:
        return self.repositories[name].private and token != TOKEN

    def add(self, name: str, private: bool = False) -> None:
        self.repositories[name] = Repository(private)
        self.repositories[name].commit("initial commit", {".gitattributes": b""})

    def create(self, body: bytes) -> tuple[int, Any, dict[str, str]]:
        asked = json.loads(body)
        name = f"{asked.get('organization') or OWNER}/{asked['name']}"
        known = name in self.repositories
        if not known:
            self.add(name, private=bool(asked.get("private") or asked.get("visibility") == "private"))
        return 409 if known else 200, {"url": f"{self.url}/{name}", "id": name, "name": name}, {}

    def whoami(self, body: bytes) -> tuple[int, Any, dict[str, str]]:
        return 200, {"name": OWNER, "type": "user", "orgs": []}, {}

    def valid(self, body: bytes) -> tuple[int, Any, dict[str, str]]:
        return 200, {"errors": [], "warnings": []}, {}

    def preupload(self, body: bytes, name: str) -> tuple[int, Any, dict[str, str]]:
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["size"] > LFS_OVER else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        return 200, {"files": files}, {}

    def batch(self, body: bytes, name: str) -> tuple[int, Any, dict[str, str]]:
        objects = []
        for item in json.loads(body)["objects"]:
            upload = {"upload": {"href": f"{self.url}/lfs/{item['oid']}", "header": {}}}
            objects.append(item if item["oid"] in self.large else {**item, "actions": upload})
        return 200, {"transfer": "basic", "objects": objects}, {}

    def put(self, body: bytes, oid: str) -> tuple[int, Any, dict[str, str]]:
        if hashlib.sha256(body).hexdigest() != oid:
            return error(400, "the content is not that of its hash")
        self.large[oid] = body
        return 200, {}, {}

    def commit(self, body: bytes, name: str) -> tuple[int, Any, dict[str, str]]:
        repository = self.repositories[name]
        files, title = dict(repository.files), ""
        for line in body.decode().splitlines():
            entry = json.loads(line)
            key, value = entry["key"], entry["value"]
            if key == "header":
                title = value["summary"]
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.large[value["oid"]]
            else:
                return error(400, f"no {key} here")
        repository.commit(title, files)
        return 200, {"commitOid": repository.head, "commitUrl": f"{self.url}/{name}/commit/{repository.head}"}, {}

    def info(self, body: bytes, name: str) -> tuple[int, Any, dict[str, str]]:
        repository = self.repositories[name]
        siblings = [{"rfilename": path} for path in sorted(repository.files)]
        said = {"id": name, "sha": repository.head, "private": repository.private, "tags": [], "siblings": siblings}
        return 200, said, {}

    def tree(self, body: bytes, name: str) -> tuple[int, Any, dict[str, str]]:
        repository = self.repositories[name]
        entries = [
            {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
            for path, content in sorted(repository.files.items())
        ]
        return 200, entries, {}

    def resolve(self, body: bytes, name: str, revision: str, file: str) -> tuple[int, Any, dict[str, str]]:
        repository = self.repositories[name]
        sha = repository.head if revision == "main" else revision
        if file not in repository.commits[sha]:
            code, said, headers = error(404, "Entry not found", "EntryNotFound")
            return code, said, {**headers, "X-Repo-Commit": sha}
        content = repository.commits[sha][file]
        return 200, content, {"X-Repo-Commit": sha, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}


NAME = r"(?P<name>[^/]+/[^/]+)"
ROUTES: list[tuple[str, Callable[..., tuple[int, Any, dict[str, str]]]]] = [
    (r"/api/repos/create", Hub.create),
    (r"/api/whoami-v2", Hub.whoami),
    (r"/api/validate-yaml", Hub.valid),
    (rf"/api/models/{NAME}/preupload/main", Hub.preupload),
    (rf"/api/models/{NAME}/commit/main", Hub.commit),
    (rf"/api/models/{NAME}/tree/.+", Hub.tree),
    (rf"/api/models/{NAME}(?:/revision/.+)?", Hub.info),
    (rf"/{NAME}\.git/info/lfs/objects/batch", Hub.batch),
    (r"/lfs/(?P<oid>[0-9a-f]{64})", Hub.put),
    (rf"/{NAME}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", Hub.resolve),
]


def error(code: int, message: str, kind: str = "") -> tuple[int, Any, dict[str, str]]:
    return code, {"error": message}, {"X-Error-Message": message, **({"X-Error-Code": kind} if kind else {})}


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def _answer(self) -> None:
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
            request = f"{self.command} {unquote(urlsplit(self.path).path)}"
            body = self._body()
            self.close_connection = hub.breaks(request)
            if self.close_connection:
                return
            with lock:
                code, content, headers = hub.answer(request, body, token)
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(code)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = _answer

    lock = threading.Lock()
    return Handler


@pytest.fixture
def hub() -> Iterator[Hub]:
    """An empty Hub."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def run_online(hub: Hub, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python on a user's machine that knows this Hub only; a process of its own, because the client reads its
    settings when it is imported."""

    def run(*words: object, token: str = TOKEN, code: int = 0) -> subprocess.CompletedProcess[str]:
        settings = {
            "HF_ENDPOINT": hub.url,
            "HF_HUB_OFFLINE": "0",
            "HF_TOKEN": token,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "OMP_NUM_THREADS": "1",
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            capture_output=True,
            text=True,
            env={**os.environ, **settings},
            timeout=250,
            check=False,
        )
        assert done.returncode == code, done.stderr[-3000:]
        return done

    return run
