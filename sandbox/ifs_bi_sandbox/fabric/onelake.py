"""OneLake, as far as it is Azure Data Lake Storage: the files of workspaces in a local folder, from which the replicator reads.

Source: learn.microsoft.com/rest/api/storageservices/datalakestoragegen2 (Filesystem and Path operations), for what differs
learn.microsoft.com/fabric/onelake/onelake-api-parity: a workspace is a file system; it, its items and the first folder in an item
are Fabric's own and can't be made, renamed or removed here. What is appended shows when it is flushed.
"""

from __future__ import annotations

import base64
import shutil
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import uuid4

import orjson
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ifs_bi_sandbox.powerbi.token import STORAGE_RESOURCE

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from ifs_bi_sandbox.world import World

_MANAGED = 2  # names of a path that are Fabric's own: the item, and the first folder in it


class StorageError(Exception):
    """A refusal: status and code of the documents' tables of errors."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class OneLake:
    """The workspaces below ``root``, a folder each, with folders of items inside.

    ``present_status``: what a rename is told whose target is there and must not be: 409 by the table of errors, 412 by the rule
    for conditions; documents say both. ``page``: names in one answer to a listing. ``uploads``: what was appended and not
    flushed, by path.
    """

    root: Path
    present_status: int = 409
    page: int = 5000
    uploads: dict[Path, dict[int, bytes]] = field(default_factory=dict)

    def at(self, workspace: str, path: str = "") -> Path:
        """Where a path lies."""
        folder = self.root / workspace
        parts = path.strip("/").split("/")
        if not folder.is_dir():
            raise StorageError(404, "FilesystemNotFound", "The specified filesystem does not exist.")
        if any(part in {"..", "."} for part in parts):
            raise StorageError(400, "InvalidUri", "The request URI is invalid.")
        return folder.joinpath(*parts) if path.strip("/") else folder

    def own(self, workspace: str, path: str) -> Path:
        """The same of a path that can be made, renamed or removed."""
        place = self.at(workspace, path)
        parts = path.strip("/").split("/")
        if len(parts) <= _MANAGED:
            raise StorageError(403, "OperationNotAllowedOnThePath", "The path is managed by Fabric.")
        if not self.at(workspace, "/".join(parts[:_MANAGED])).is_dir():
            raise StorageError(404, "PathNotFound", "The specified path does not exist.")
        return place


def onelake_app(world: World, lake: OneLake) -> Starlette:
    """The service for those who have a token of one world's token service."""

    async def answer(request: Request) -> Response:
        call = _Call(request, lake, await request.body())
        try:
            _check_headers(request, world)
            response = call.do()
        except StorageError as error:
            response = _refusal(error)
        response.headers["x-ms-request-id"] = str(uuid4())
        if "x-ms-client-request-id" in request.headers:
            response.headers["x-ms-client-request-id"] = request.headers["x-ms-client-request-id"]
        return response

    methods = ["GET", "HEAD", "PUT", "PATCH", "DELETE"]
    return Starlette(
        routes=[Route(path, answer, methods=methods) for path in ("/{workspace}", "/{workspace}/{path:path}")]
    )


@dataclass
class _Call:
    """One request."""

    request: Request
    lake: OneLake
    body: bytes

    def __post_init__(self) -> None:
        self.query = self.request.query_params
        self.workspace = self.request.path_params["workspace"]
        self.path = self.request.path_params.get("path", "")

    def do(self) -> Response:
        query, headers = self.query, self.request.headers
        match self.request.method:
            case "GET" if query.get("resource") == "filesystem":
                return self.list_paths()
            case "GET" | "HEAD":
                return self.read()
            case "PUT" if "x-ms-rename-source" in headers:
                return self.rename()
            case "PUT" if query.get("resource") in {"file", "directory"}:
                return self.create()
            case "PATCH" if query.get("action") == "append":
                return self.append()
            case "PATCH" if query.get("action") == "flush":
                return self.flush()
            case "DELETE" if self.path:
                return self.delete()
        raise StorageError(400, "InvalidQueryParameterValue", "Value for one of the query parameters is invalid.")

    def list_paths(self) -> Response:
        folder = self.lake.at(self.workspace, self.query.get("directory", ""))
        if not folder.is_dir():
            raise StorageError(404, "PathNotFound", "The specified path does not exist.")
        found = folder.rglob("*") if self.query.get("recursive") == "true" else folder.iterdir()
        root = self.lake.at(self.workspace)
        names = sorted(str(path.relative_to(root)) for path in found)
        begin = int(self.query.get("continuation") or 0)
        end = begin + min(self.lake.page, int(self.query.get("maxResults") or self.lake.page))
        response = JSONResponse({"paths": [_listed(root / name, name) for name in names[begin:end]]})
        if end < len(names):
            response.headers["x-ms-continuation"] = str(end)
        return response

    def read(self) -> Response:
        """A file, or a range of it; the Blob endpoint, which the client downloads from, does the same."""
        place = self.lake.at(self.workspace, self.path)
        if not place.exists():
            raise StorageError(404, "PathNotFound", "The specified path does not exist.")
        data = place.read_bytes() if place.is_file() else b""
        told = {"ETag": _etag(place), "Last-Modified": formatdate(place.stat().st_mtime, usegmt=True)}
        told |= {"x-ms-resource-type": "file" if place.is_file() else "directory", "x-ms-blob-type": "BlockBlob"}
        asked = self.request.headers.get("x-ms-range") or self.request.headers.get("range")
        if not asked or self.request.method == "HEAD":
            return Response(
                data, headers=told | {"Content-Length": str(len(data))}, media_type="application/octet-stream"
            )
        first, _, last = asked.removeprefix("bytes=").partition("-")
        if int(first) >= len(data):
            raise StorageError(
                416, "InvalidRange", "The range specified is invalid for the current size of the resource."
            )
        part = data[int(first) : int(last) + 1 if last else None]
        told["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
        return Response(part, 206, told, "application/octet-stream")

    def create(self) -> Response:
        place = self.lake.own(self.workspace, self.path)
        self._require_missing(place)
        if self.query["resource"] == "directory":
            place.mkdir(parents=True, exist_ok=True)
        else:
            if place.is_dir():
                raise StorageError(409, "ResourceTypeMismatch", "The resource type of the path is another one.")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"")
            self.lake.uploads.pop(place, None)
        return Response(status_code=201, headers={"ETag": _etag(place)})

    def rename(self) -> Response:
        workspace, _, path = _unquoted(self.request.headers["x-ms-rename-source"]).strip("/").partition("/")
        source, place = self.lake.own(workspace, path), self.lake.own(self.workspace, self.path)
        if not source.exists():
            raise StorageError(404, "SourcePathNotFound", "The source path for a rename operation does not exist.")
        self._require_missing(place, self.lake.present_status)
        if not place.parent.is_dir():
            told = "The parent directory of the destination path does not exist."
            raise StorageError(404, "RenameDestinationParentPathNotFound", told)
        source.replace(place)
        return Response(status_code=201)

    def append(self) -> Response:
        place = self._file()
        self.lake.uploads.setdefault(place, {})[int(self.query["position"])] = self.body
        return Response(status_code=202)

    def flush(self) -> Response:
        place = self._file()
        data = place.read_bytes()
        for position, part in sorted(self.lake.uploads.get(place, {}).items()):
            data = data[:position] + part if position <= len(data) else data
        if int(self.query["position"]) != len(data):
            raise StorageError(
                400, "InvalidFlushPosition", "The uploaded data is not contiguous or the position is wrong."
            )
        self.lake.uploads.pop(place, None)
        whole = place.with_name(f"{place.name}.flushed")
        whole.write_bytes(data)
        whole.replace(place)
        return Response(headers={"ETag": _etag(place)})

    def delete(self) -> Response:
        place = self.lake.own(self.workspace, self.path)
        if not place.exists():
            raise StorageError(404, "PathNotFound", "The specified path does not exist.")
        if place.is_file():
            place.unlink()
        elif self.query.get("recursive") == "true":
            shutil.rmtree(place)
        elif any(place.iterdir()):
            raise StorageError(
                409, "DirectoryNotEmpty", "The recursive query parameter must be true to delete a non-empty directory."
            )
        else:
            place.rmdir()
        return Response()

    def _file(self) -> Path:
        place = self.lake.own(self.workspace, self.path)
        if not place.is_file():
            raise StorageError(404, "PathNotFound", "The specified path does not exist.")
        return place

    def _require_missing(self, place: Path, status: int = 409) -> None:
        if self.request.headers.get("if-none-match") == "*" and place.exists():
            code = "PathAlreadyExists" if status == 409 else "ConditionNotMet"  # noqa: PLR2004 - Conflict
            raise StorageError(status, code, "The specified path already exists.")


def _check_headers(request: Request, world: World) -> None:
    """Refuse what has no token for storage, or no version."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    claims: dict[str, Any] = {}
    if scheme == "Bearer" and world.powerbi_tokens.get(token, 0) > world.now():
        part = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if claims.get("aud", "").rstrip("/") != STORAGE_RESOURCE:
        raise StorageError(401, "InvalidAuthenticationInfo", "Server failed to authenticate the request.")
    if "x-ms-version" not in request.headers:
        raise StorageError(400, "MissingRequiredHeader", "An HTTP header that's mandatory is not specified.")


def _refusal(error: StorageError) -> Response:
    response = JSONResponse({"error": {"code": error.code, "message": str(error)}}, error.status)
    response.headers["x-ms-error-code"] = error.code
    if error.status == 401:  # noqa: PLR2004 - Unauthorized
        authority = "https://login.microsoftonline.com/common/oauth2/authorize"
        response.headers["WWW-Authenticate"] = f"Bearer authorization_uri={authority} resource_id={STORAGE_RESOURCE}"
    return response


def _listed(place: Path, name: str) -> dict[str, str]:
    told = place.stat()
    entry = {"name": name, "contentLength": str(told.st_size if place.is_file() else 0), "etag": _etag(place)}
    entry["lastModified"] = formatdate(told.st_mtime, usegmt=True)
    return entry | ({"isDirectory": "true"} if place.is_dir() else {})


def _etag(place: Path) -> str:
    told = place.stat()
    return f'"0x{told.st_mtime_ns:X}{told.st_ino:X}"'


def _unquoted(header: str) -> str:
    return unquote(header.partition("?")[0])
