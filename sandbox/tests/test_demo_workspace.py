from pathlib import Path

import pytest
from ifs_bi_sandbox.demo.errors import DemoError
from ifs_bi_sandbox.demo.story import REAL_SYSTEMS
from ifs_bi_sandbox.demo.workspace import (
    MARK,
    PACKAGES,
    at_home,
    check_checkout,
    make_folder,
    make_project,
    process_environment,
    sole_use,
)

ROOT = Path(__file__).parents[2]


def test_a_folder_of_an_earlier_demo_is_emptied(tmp_path):
    folder = tmp_path / "build" / "demo"
    make_folder(folder)
    (folder / "warehouse.duckdb").write_text("old")
    make_folder(folder)
    assert [path.name for path in folder.iterdir()] == [MARK]


def test_an_empty_folder_is_taken(tmp_path):
    make_folder(tmp_path)
    assert (tmp_path / MARK).is_file()


def test_what_no_demo_made_is_not_deleted(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DemoError, match="holds files that no demo made"):
        make_folder(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / MARK).touch()
    (tmp_path / "demo").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DemoError, match="no folder of the demo's"):
        make_folder(tmp_path / "demo")
    assert (tmp_path / "elsewhere" / MARK).exists()


def test_a_file_in_the_way_stays(tmp_path):
    (tmp_path / "demo").write_text("a file")
    with pytest.raises(DemoError, match="no folder of the demo's"):
        make_folder(tmp_path / "demo")


def test_two_demos_do_not_share_a_folder(tmp_path):
    folder = tmp_path / "build" / "demo"
    with sole_use(folder):
        with pytest.raises(DemoError, match="Another demo is at work"), sole_use(folder):
            pass
        with sole_use(folder.with_name("other")):
            pass
    with sole_use(folder):
        make_folder(folder)


def test_what_can_not_be_deleted_is_said_in_a_sentence(tmp_path, monkeypatch):
    make_folder(tmp_path / "demo")

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(DemoError, match=r"can't empty .*demo: .*Permission denied"):
        make_folder(tmp_path / "demo")


def test_the_project_is_the_one_of_the_checkout_with_packages_from_there(tmp_path):
    text = (ROOT / "meltano.yml").read_text()
    moved = at_home(text, "../..")
    assert "-e ./" not in moved
    assert moved.count("-e ../../") == text.count("-e ./") >= len(PACKAGES)
    assert moved.replace("-e ../../", "-e ./") == text


def test_the_project_leads_to_the_sandbox(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    make_project(ROOT, folder, {"IFS_BASE_URL": "http://127.0.0.1:1", "POWERBI_DATASET_NAME": "IFS Cloud (sandbox)"})
    told = (folder / ".env").read_text()
    assert told == "IFS_BASE_URL=http://127.0.0.1:1\nPOWERBI_DATASET_NAME='IFS Cloud (sandbox)'\n"
    pip_url = next(line for line in (folder / "meltano.yml").read_text().splitlines() if "pip_url:" in line)
    first = pip_url.split("-e ")[1].strip()
    assert (folder / first).resolve() == ROOT / "ifs-bi-core"


def test_a_folder_that_is_no_checkout_is_named(tmp_path):
    check_checkout(ROOT)
    with pytest.raises(DemoError, match=r"has no meltano.yml, ifs-bi-core, .* Run the demo in the folder of the clone"):
        check_checkout(tmp_path)


def test_variables_that_lead_to_a_real_system_are_left_out():
    own = {"IFS_BASE_URL": "http://127.0.0.1:1"}
    inherited = {
        "IFS_BASE_URL": "https://real.ifs.cloud",
        "POWERBI_WORKSPACE_ID": "real",
        "WAREHOUSE_URL": "real",
        "TAP_IFS_CLOUD_BASE_URL": "real",
        "TARGET_POWERBI_WORKSPACE_ID": "real",
        "MELTANO_PROJECT_ROOT": "/real",
        "PYTHONPATH": "/real",
        "VIRTUAL_ENV": "/real",
        "HOME": "/home/me",
        "HTTPS_PROXY": "http://proxy:8080",
        "no_proxy": "intranet",
    }
    found = process_environment(inherited, own)
    assert found["IFS_BASE_URL"] == "http://127.0.0.1:1"
    assert "real" not in found.values()
    assert "/real" not in found.values()
    assert (found["HOME"], found["HTTPS_PROXY"]) == ("/home/me", "http://proxy:8080")
    assert found["NO_PROXY"] == found["no_proxy"] == "intranet,127.0.0.1,localhost"


def test_what_to_fill_in_stands_in_the_example():
    example = {line.partition("=")[0] for line in (ROOT / ".env.example").read_text().splitlines()}
    assert {name for names, _ in REAL_SYSTEMS for name in names} <= example
