"""The stand-in of OneLake, asked as the documents of Azure Data Lake Storage say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from ifs_bi_sandbox.fabric.onelake import OneLake, onelake_app
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.servers import Sandbox

ZONE = "/Space/ERP.MountedRelationalDatabase/Files/LandingZone"


@pytest.fixture(scope="module")
def box():
    with Sandbox(scale=300) as box:
        yield box


def token(box, scope="https://storage.azure.com/.default"):
    switches = box.world.switches
    form = {
        "grant_type": "client_credentials",
        "client_id": switches.powerbi_client_id,
        "client_secret": switches.powerbi_client_secret,
        "scope": scope,
    }
    url = f"{box.login_url}/{switches.tenant_id}/oauth2/v2.0/token"
    return requests.post(url, data=form, timeout=10).json()["access_token"]


@dataclass
class Lake:
    lake: OneLake
    url: str
    token: str

    def ask(self, method: str, path: str, data: bytes = b"", **headers: str) -> requests.Response:
        told = {"Authorization": f"Bearer {self.token}", "x-ms-version": "2023-11-03"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(method, self.url + path, data=data, headers=told, timeout=10)

    def write(self, path: str, data: bytes) -> None:
        assert self.ask("PUT", f"{path}?resource=file").status_code == 201
        assert self.ask("PATCH", f"{path}?action=append&position=0", data).status_code == 202
        assert self.ask("PATCH", f"{path}?action=flush&position={len(data)}").status_code == 200

    def names(self, directory: str, **options: str) -> list[str]:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        answer = self.ask("GET", f"/Space?resource=filesystem&recursive=false&directory={directory}&{query}")
        return [path["name"].rpartition("/")[2] for path in answer.json()["paths"]]


@pytest.fixture
def lake(box, tmp_path):
    (tmp_path / ZONE.strip("/")).mkdir(parents=True)
    made = OneLake(tmp_path)
    listener = Listener(onelake_app(box.world, made))
    listener.start()
    yield Lake(made, listener.url, token(box))
    listener.stop()


def refusal(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["x-ms-error-code"] == answer.json()["error"]["code"]
    return answer.status_code, answer.json()["error"]["code"]


def test_a_file_shows_what_was_flushed_and_nothing_before(lake):
    path = f"{ZONE}/Orders/_1.tmp"
    assert lake.ask("PUT", f"{path}?resource=file").status_code == 201
    assert lake.ask("PATCH", f"{path}?action=append&position=0", b"abc").status_code == 202
    assert lake.ask("PATCH", f"{path}?action=append&position=3", b"de").status_code == 202
    assert lake.ask("GET", path).content == b""
    assert refusal(lake.ask("PATCH", f"{path}?action=flush&position=4")) == (400, "InvalidFlushPosition")
    assert lake.ask("PATCH", f"{path}?action=flush&position=5").status_code == 200
    assert lake.ask("GET", path).content == b"abcde"
    assert lake.ask("HEAD", path).headers["Content-Length"] == "5"
    part = lake.ask("GET", path, x_ms_range="bytes=1-2")
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"bc", "bytes 1-2/5")
    assert refusal(lake.ask("GET", path, x_ms_range="bytes=5-9")) == (416, "InvalidRange")
    assert (Path(lake.lake.root) / path.strip("/")).read_bytes() == b"abcde"


def test_creating_a_file_again_empties_it_unless_it_must_be_new(lake):
    path = f"{ZONE}/Orders/1"
    lake.write(path, b"abc")
    assert refusal(lake.ask("PUT", f"{path}?resource=file", If_None_Match="*")) == (409, "PathAlreadyExists")
    lake.ask("PUT", f"{path}?resource=file")
    assert lake.ask("GET", path).content == b""


@pytest.mark.parametrize(("status", "code"), [(409, "PathAlreadyExists"), (412, "ConditionNotMet")])
def test_a_rename_replaces_unless_the_target_must_be_missing(lake, status, code):
    lake.lake.present_status = status
    old, new = f"{ZONE}/Orders/_1", f"{ZONE}/Orders/1"
    lake.write(old, b"a")
    assert lake.ask("PUT", new, x_ms_rename_source=old).status_code == 201
    assert refusal(lake.ask("PUT", new, x_ms_rename_source=old)) == (404, "SourcePathNotFound")
    lake.write(old, b"b")
    assert refusal(lake.ask("PUT", new, x_ms_rename_source=old, If_None_Match="*")) == (status, code)
    assert lake.ask("GET", new).content == b"a"
    lake.ask("PUT", new, x_ms_rename_source=old)
    assert lake.ask("GET", new).content == b"b"
    lake.write(old, b"c")
    elsewhere = lake.ask("PUT", f"{ZONE}/Absent/1", x_ms_rename_source=old)
    assert refusal(elsewhere) == (404, "RenameDestinationParentPathNotFound")


def test_a_listing_comes_in_pages(lake):
    for number in range(3):
        lake.write(f"{ZONE}/Orders/{number}", b"")
    lake.ask("PUT", f"{ZONE}/Orders/Inner?resource=directory")
    folder = f"{ZONE.removeprefix('/Space/')}/Orders"
    assert lake.names(folder) == ["0", "1", "2", "Inner"]
    lake.lake.page = 3
    first = lake.ask("GET", f"/Space?resource=filesystem&recursive=false&directory={folder}")
    assert lake.names(folder, continuation=first.headers["x-ms-continuation"]) == ["Inner"]
    assert refusal(lake.ask("GET", "/Space?resource=filesystem&directory=ERP/None")) == (404, "PathNotFound")


def test_a_folder_with_files_goes_only_as_a_whole(lake):
    lake.write(f"{ZONE}/Orders/1", b"")
    assert refusal(lake.ask("DELETE", f"{ZONE}/Orders?recursive=false")) == (409, "DirectoryNotEmpty")
    assert lake.ask("DELETE", f"{ZONE}/Orders?recursive=true").status_code == 200
    assert refusal(lake.ask("DELETE", f"{ZONE}/Orders?recursive=true")) == (404, "PathNotFound")


def test_workspaces_items_and_the_first_folder_in_them_are_fabric_s(lake):
    assert refusal(lake.ask("PUT", "/Space/Other?resource=directory")) == (403, "OperationNotAllowedOnThePath")
    assert refusal(lake.ask("DELETE", ZONE.rpartition("/")[0])) == (403, "OperationNotAllowedOnThePath")
    assert refusal(lake.ask("PUT", "/Space/Other/Files/x?resource=file")) == (404, "PathNotFound")
    assert refusal(lake.ask("PUT", "/None/ERP/Files/x?resource=file")) == (404, "FilesystemNotFound")


def test_only_a_token_for_storage_and_a_version_open_the_door(lake, box):
    lake.token = token(box, "https://analysis.windows.net/powerbi/api/.default")
    answer = lake.ask("GET", f"{ZONE}/x")
    assert refusal(answer) == (401, "InvalidAuthenticationInfo")
    assert "resource_id=https://storage.azure.com" in answer.headers["WWW-Authenticate"]
    lake.token = token(box)
    box.world.powerbi_tokens.pop(lake.token)
    assert lake.ask("GET", f"{ZONE}/x").status_code == 401
    bare = requests.get(f"{lake.url}{ZONE}/x", headers={"Authorization": f"Bearer {token(box)}"}, timeout=10)
    assert refusal(bare) == (400, "MissingRequiredHeader")
