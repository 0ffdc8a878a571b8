"""A small Hub on loopback: the part of huggingface.co's protocol that publishing and loading need, and its faults.

Real clients talk to it through HF_ENDPOINT. It keeps models, datasets and spaces with commits, branches and tags; LFS
objects are taken only if their bytes have the SHA-256 that was announced, and a commit is applied whole or not at all.
"""

import base64
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

import yaml


LFS_SUFFIXES = (".safetensors", ".parquet", ".bin", ".npz", ".arrow", ".npy")
PAGE = 50  # entries of a tree listing per answer; small, so that clients have to turn pages
PREFIXES = {"models": "model", "datasets": "dataset", "spaces": "space"}


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of, or on top of, its answer.

    Kinds: "status" (answers `value`, with `retry_after`, or with the Hub's own words `said`), "drop" (the connection
    ends before anything is done), "lose" (it is done, but the answer is lost), "slow" (`value` seconds), "truncate"
    (half the body), "hang" (waits for `Hub.release`, after setting `Hub.reached`; `value` says whether the request is
    carried out then).
    """

    kind: str
    value: float = 0
    retry_after: str | None = None
    said: str | None = None


@dataclass(frozen=True)
class Blob:
    """A file's content; `lfs` says that the repo itself holds a pointer only."""

    data: bytes
    lfs: bool

    def describe(self, path):
        sha256 = hashlib.sha256(self.data).hexdigest()
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(self.data)}\n".encode()
        stored = pointer if self.lfs else self.data
        oid = hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()
        lfs = {"lfs": {"oid": sha256, "size": len(self.data), "pointerSize": len(pointer)}} if self.lfs else {}
        return {"type": "file", "path": path, "size": len(self.data), "oid": oid, **lfs}


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    title: str
    files: dict[str, Blob]


@dataclass
class Repo:
    kind: str
    id: str
    private: bool
    gated: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, branch, title, files):
        parent = self.branches.get(branch)
        oid = hashlib.sha1(f"{self.id} {parent} {title} {len(self.commits)}".encode()).hexdigest()
        self.commits[oid] = Commit(oid, parent, title, dict(files))
        self.branches[branch] = oid
        return oid

    def find(self, revision):
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        return self.commits.get(oid)

    def history(self, revision="main"):
        commit = self.find(revision)
        while commit:
            yield commit
            commit = self.commits.get(commit.parent)


class Answer(Exception):  # noqa: N818, it is an answer and no error
    """Ends a request with a status, a body (JSON unless bytes) and headers."""

    def __init__(self, status, body=b"", **headers):
        super().__init__(status)
        self.status, self.headers = status, {name.replace("_", "-"): str(value) for name, value in headers.items()}
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def refuse(status, message, code=None):
    headers = {"X_Error_Message": message, **({"X_Error_Code": code} if code else {})}
    return Answer(status, {"error": message}, **headers)


class Hub:
    """The server and what it holds; use it as a context manager."""

    def __init__(self):
        self.repos = {}
        self.objects = {}
        # "role" is the token's; "orgs" are those that the user may write to.
        self.tokens = {}
        self.find_fault = lambda method, path: None
        self.lfs_error = None  # said of each large file, instead of where to upload it
        self.requests = []
        self.lock = threading.RLock()
        self.reached, self.release = threading.Event(), threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self.server.daemon_threads = True
        port = self.server.server_address[1]
        # Large files come from another host, as from the Hub's CDN, so that clients treat it as foreign.
        self.url, self.cdn = f"http://127.0.0.1:{port}", f"http://localhost:{port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()

    def add_token(self, token, name, role="write", orgs=()):
        self.tokens[token] = {"name": name, "role": role, "orgs": list(orgs)}

    def add_repo(self, kind, repo_id, private=False, gated=False):
        repo = Repo(kind, repo_id, private, gated)
        repo.commit("main", "initial commit", {".gitattributes": Blob(b"*.safetensors filter=lfs\n", False)})
        self.repos[kind, repo_id] = repo
        return repo


class Handler(BaseHTTPRequestHandler):
    """One request: find the fault, the account and the route; all state changes under one lock."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer waits 40 ms for the client's acknowledgment
    hub: Hub

    def log_message(self, *_):
        pass

    def do_GET(self):  # noqa: N802, the name that http.server calls
        self.serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815, likewise

    def serve(self):
        self.body = self.read_body()
        url = urlsplit(self.path)
        self.route, self.query = url.path, {key: values[-1] for key, values in parse_qs(url.query).items()}
        headers = {name: value for name, value in self.headers.items() if name.lower() != "authorization"}
        self.hub.requests.append((self.command, self.path, headers, self.body))
        fault = self.hub.find_fault(self.command, self.path) or Fault("none")
        if fault.kind == "slow":
            time.sleep(fault.value)
        if fault.kind == "hang":
            self.hub.reached.set()
            self.hub.release.wait(60)
        if fault.kind == "drop" or (fault.kind == "hang" and not fault.value):
            return self.cut()
        if fault.kind == "status":
            waits = {"Retry_After": fault.retry_after} if fault.retry_after else {}
            answer = fault.said and refuse(int(fault.value), fault.said)
            answer = answer or Answer(
                int(fault.value), b"<html>out of order</html>", Content_Type="text/html", **waits
            )
        else:
            answer = self.answer()
        if fault.kind == "lose":
            return self.cut()
        self.send(answer, truncate=fault.kind == "truncate")

    def read_body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def cut(self):
        self.close_connection = True
        self.connection.shutdown(2)

    def answer(self):
        try:
            with self.hub.lock:
                self.account = self.find_account()
                for method, pattern, handle in ROUTES:
                    match = re.fullmatch(pattern, self.route)
                    if match and self.command in method:
                        handle(self, *(value and unquote(value) for value in match.groups()))
            return refuse(404, "Sorry, we can't find the page you are looking for.")
        except Answer as answer:
            return answer
        except Exception as error:  # a mistake of this file: nothing that a client would try again
            return refuse(418, f"{type(error).__name__} in the test's server: {error}")

    def send(self, answer, truncate):
        self.send_response(answer.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(answer.body)), **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        body = b"" if self.command == "HEAD" else answer.body
        try:
            if truncate and body:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                return self.cut()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # Who asks, and for what.

    def find_account(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return None
        if token not in self.hub.tokens:
            raise refuse(401, "Invalid credentials in Authorization header")
        return self.hub.tokens[token]

    def owns(self, repo_id):
        owner = repo_id.split("/")[0]
        return self.account is not None and owner in (self.account["name"], *self.account["orgs"])

    def repo(self, kind, repo_id, write=False, files=False):
        repo = self.hub.repos.get((kind, repo_id))
        if repo is None or (repo.private and not self.owns(repo_id)):
            raise refuse(404 if self.account else 401, "Repository not found", "RepoNotFound")
        if files and repo.gated and not self.owns(repo_id):
            raise refuse(403, f"Access to {kind} {repo_id} is restricted; ask for access", "GatedRepo")
        if write:
            self.need_write(repo_id)
        return repo

    def need_write(self, repo_id):
        if self.account is None:
            raise refuse(401, "Invalid username or password.")
        if self.account["role"] == "read" or not self.owns(repo_id):
            raise refuse(403, f'You don\'t have the rights to write under the namespace "{repo_id.split("/")[0]}"')

    def commit(self, repo, revision):
        commit = repo.find(revision)
        if commit is None:
            raise refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    # Routes. Each raises its Answer.

    def whoami(self):
        if self.account is None:
            raise refuse(401, "Invalid username or password.")
        orgs = [{"name": name, "roleInOrg": "write"} for name in self.account["orgs"]]
        auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": self.account["role"]}}
        raise Answer(200, {"type": "user", "name": self.account["name"], "orgs": orgs, "auth": auth})

    def create(self):
        wish = {"type": "model", **json.loads(self.body)}
        repo_id = f"{wish.get('organization') or (self.account or {}).get('name')}/{wish['name']}"
        self.need_write(repo_id)
        url = f"{self.hub.url}/{repo_id}" if wish["type"] == "model" else f"{self.hub.url}/{wish['type']}s/{repo_id}"
        if (wish["type"], repo_id) in self.hub.repos:
            raise Answer(409, {"error": "You already created this repo", "url": url})
        if wish["type"] == "space" and wish.get("sdk") not in ("gradio", "static", "docker", "streamlit"):
            raise refuse(400, "sdk is needed")
        self.hub.add_repo(wish["type"], repo_id, wish.get("visibility") == "private")
        raise Answer(200, {"url": url, "name": repo_id})

    def validate_yaml(self):
        text = json.loads(self.body)["content"]
        match = re.match(r"---\r?\n(.*?)\r?\n---", text, re.DOTALL)
        try:
            valid = match and isinstance(yaml.safe_load(match[1]), dict)
        except yaml.YAMLError:
            valid = False
        if match and not valid:
            raise Answer(400, {"errors": [{"message": "the metadata is not a YAML mapping"}], "warnings": []})
        warnings = [] if match else [{"message": "empty or missing yaml metadata in repo card"}]
        raise Answer(200, {"errors": [], "warnings": warnings})

    def settings(self, kind, repo_id):
        repo = self.repo(PREFIXES[kind], repo_id, write=True)
        repo.private = json.loads(self.body)["visibility"] == "private"
        raise Answer(200, {"private": repo.private})

    def info(self, kind, repo_id, revision):
        repo = self.repo(PREFIXES[kind], repo_id)
        commit = self.commit(repo, revision or "main")
        siblings = [{"rfilename": path} for path in commit.files]
        body = {"id": repo_id, "sha": commit.oid, "private": repo.private, "gated": repo.gated and "manual"}
        raise Answer(200, {**body, "tags": [], "downloads": 0, "likes": 0, "siblings": siblings, "disabled": False})

    def preupload(self, kind, repo_id, revision):
        files = self.commit(self.repo(PREFIXES[kind], repo_id, write=True), revision).files
        answers = []
        for item in json.loads(self.body)["files"]:
            path = item["path"]
            mode = "lfs" if path.endswith(LFS_SUFFIXES) or item["size"] > 10_000_000 else "regular"
            known = files[path].describe(path) if path in files else {}
            oid = known.get("lfs", known).get("oid")
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        raise Answer(200, {"files": answers})

    def lfs_batch(self, prefix, repo_id):
        self.repo(PREFIXES[(prefix or "models/")[:-1]], repo_id, write=True)
        objects = []
        for item in json.loads(self.body)["objects"]:
            upload = {"href": f"{self.hub.url}/lfs-upload/{item['oid']}/{item['size']}"}
            verify = {"href": f"{self.hub.url}/lfs-verify"}
            actions = {} if item["oid"] in self.hub.objects else {"actions": {"upload": upload, "verify": verify}}
            error = {"error": {"code": 403, "message": self.hub.lfs_error}} if self.hub.lfs_error else {}
            objects.append({**item, **(error or actions)})
        raise Answer(200, {"transfer": "basic", "objects": objects})

    def lfs_upload(self, oid, size):
        if hashlib.sha256(self.body).hexdigest() != oid or len(self.body) != int(size):
            raise refuse(400, "The content has another SHA-256 than was announced")
        self.hub.objects[oid] = self.body
        raise Answer(200)

    def lfs_verify(self):
        item = json.loads(self.body)
        if len(self.hub.objects.get(item["oid"], b"")) != item["size"]:
            raise refuse(404, "No such object of this size")
        raise Answer(200, {})

    def lfs_download(self, oid):
        if self.account is not None:
            raise refuse(400, "A token was sent to the CDN")
        raise self.content(self.hub.objects[oid], oid)

    def make_commit(self, kind, repo_id, branch):
        repo = self.repo(PREFIXES[kind], repo_id, write=True)
        head = self.commit(repo, branch)
        lines = [json.loads(line) for line in self.body.splitlines() if line]
        header = lines[0]["value"]
        if header.get("parentCommit", head.oid) != head.oid:
            raise refuse(412, "A commit has happened since. Please refresh and try again.")
        files = dict(head.files)
        for line in lines[1:]:
            value, path = line["value"], line["value"]["path"]
            if line["key"] == "file":
                files[path] = Blob(base64.b64decode(value["content"]), False)
            elif line["key"] == "lfsFile" and value["oid"] in self.hub.objects:
                files[path] = Blob(self.hub.objects[value["oid"]], True)
            elif line["key"] == "deletedFile" and path in files:
                del files[path]
            else:
                raise refuse(400, f"Cannot do {line['key']} of {path}: no such object or file")
        oid = repo.commit(branch, header["summary"], files)
        url = f"{self.hub.url}/{'' if kind == 'models' else kind + '/'}{repo_id}/commit/{oid}"
        raise Answer(200, {"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})

    def tree(self, kind, repo_id, revision, folder):
        files = self.commit(self.repo(PREFIXES[kind], repo_id, files=True), revision).files
        start = f"{folder}/" if folder else ""
        inside = sorted(path for path in files if path.startswith(start))
        if folder and not inside:
            raise refuse(404, f"{folder} does not exist", "EntryNotFound")
        entries = {}
        for path in inside:
            parts = path[len(start) :].split("/")
            for depth in range(1, len(parts)):
                name = start + "/".join(parts[:depth])
                entries[name] = {"type": "directory", "path": name, "oid": "0" * 40, "size": 0}
            entries[path] = files[path].describe(path)
        if self.query.get("recursive", "false").lower() not in ("true", "1"):
            entries = {path: entry for path, entry in entries.items() if "/" not in path[len(start) :]}
        at = int(self.query.get("cursor", 0))
        link = {}
        if at + PAGE < len(entries):
            link = {"Link": f'<{self.hub.url}{quote(self.route)}?recursive=true&cursor={at + PAGE}>; rel="next"'}
        raise Answer(200, list(entries.values())[at : at + PAGE], **link)

    def paths_info(self, kind, repo_id, revision):
        files = self.commit(self.repo(PREFIXES[kind], repo_id, files=True), revision).files
        found = []
        for path in parse_qs(self.body.decode())["paths"]:
            if path in files:
                found.append(files[path].describe(path))
            elif any(name.startswith(f"{path}/") for name in files):
                found.append({"type": "directory", "path": path, "oid": "0" * 40, "size": 0})
        raise Answer(200, found)

    def refs(self, kind, repo_id):
        repo = self.repo(PREFIXES[kind], repo_id)
        branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": oid} for n, oid in repo.branches.items()]
        tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": oid} for n, oid in repo.tags.items()]
        raise Answer(200, {"branches": branches, "tags": tags, "converts": []})

    def commits(self, kind, repo_id, revision):
        repo = self.repo(PREFIXES[kind], repo_id)
        self.commit(repo, revision)
        when = {"date": "2026-01-01T00:00:00.000Z", "authors": [], "message": ""}
        raise Answer(200, [{"id": commit.oid, "title": commit.title, **when} for commit in repo.history(revision)])

    def add_ref(self, kind, repo_id, what, name):
        repo = self.repo(PREFIXES[kind], repo_id, write=True)
        wish = json.loads(self.body or b"{}")
        refs = repo.tags if what == "tag" else repo.branches
        name, start = (wish["tag"], name) if what == "tag" else (name, wish.get("startingPoint", "main"))
        if name in refs:
            raise refuse(409, f"Reference {name} already exists")
        refs[name] = self.commit(repo, start).oid
        raise Answer(201, {})

    def delete_branch(self, kind, repo_id, name):
        repo = self.repo(PREFIXES[kind], repo_id, write=True)
        if name == "main":
            raise refuse(403, "The branch main cannot be deleted")
        if repo.branches.pop(name, None) is None:
            raise refuse(404, f"Invalid rev id: {name}", "RevisionNotFound")
        refs = [*repo.branches, *repo.tags]
        repo.commits = {commit.oid: commit for ref in refs for commit in repo.history(ref)}
        raise Answer(204)

    def resolve(self, prefix, repo_id, revision, path):
        repo = self.repo(PREFIXES[(prefix or "models/")[:-1]], repo_id, files=True)
        commit = self.commit(repo, revision)
        if path not in commit.files:
            raise refuse(404, f"{path} does not exist", "EntryNotFound")
        blob = commit.files[path]
        about = blob.describe(path)
        if not blob.lfs:
            raise self.content(blob.data, about["oid"], X_Repo_Commit=commit.oid)
        sha256 = about["lfs"]["oid"]
        linked = {"X_Linked_Etag": f'"{sha256}"', "X_Linked_Size": about["size"], "X_Repo_Commit": commit.oid}
        raise Answer(302, Location=f"{self.hub.cdn}/lfs-data/{sha256}", **linked)

    def content(self, data, etag, **headers):
        headers = {"ETag": f'"{etag}"', "Content_Type": "application/octet-stream", **headers}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted:
            return Answer(200, data, Accept_Ranges="bytes", **headers)
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        return Answer(206, data[first : last + 1], Content_Range=f"bytes {first}-{last}/{len(data)}", **headers)


API, ID = r"/api/(models|datasets|spaces)/", r"([^/]+/[^/]+)"
ROUTES = [
    ("GET", "/api/whoami-v2", Handler.whoami),
    ("POST", "/api/repos/create", Handler.create),
    ("POST", "/api/validate-yaml", Handler.validate_yaml),
    ("PUT", rf"{API}{ID}/settings", Handler.settings),
    ("GET", rf"{API}{ID}(?:/revision/([^/]+))?", Handler.info),
    ("POST", rf"{API}{ID}/preupload/([^/]+)", Handler.preupload),
    ("POST", rf"{API}{ID}/commit/([^/]+)", Handler.make_commit),
    ("GET", rf"{API}{ID}/tree/([^/]+)(?:/(.+))?", Handler.tree),
    ("POST", rf"{API}{ID}/paths-info/([^/]+)", Handler.paths_info),
    ("GET", rf"{API}{ID}/refs", Handler.refs),
    ("GET", rf"{API}{ID}/commits/([^/]+)", Handler.commits),
    ("POST", rf"{API}{ID}/(tag|branch)/([^/]+)", Handler.add_ref),
    ("DELETE", rf"{API}{ID}/branch/([^/]+)", Handler.delete_branch),
    ("POST", rf"/(datasets/|spaces/)?{ID}\.git/info/lfs/objects/batch", Handler.lfs_batch),
    ("PUT", r"/lfs-upload/(\w+)/(\d+)", Handler.lfs_upload),
    ("POST", "/lfs-verify", Handler.lfs_verify),
    ("GET HEAD", r"/lfs-data/(\w+)", Handler.lfs_download),
    ("GET HEAD", rf"/(datasets/|spaces/)?{ID}/resolve/([^/]+)/(.+)", Handler.resolve),
]
