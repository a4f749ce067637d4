"""How the demo ends when it can't go on; that it works is tested with Meltano, at the root."""

import threading
from decimal import Decimal

import pytest
from click.testing import CliRunner
from ifs_bi_sandbox.cli import main
from ifs_bi_sandbox.demo.errors import DemoError
from ifs_bi_sandbox.demo.figures import FIGURES, OPEN_ORDERS
from ifs_bi_sandbox.demo.run import FOLDER, MOST_DIFFERENCES, check_agreement
from ifs_bi_sandbox.demo.workspace import PACKAGES


def report(**open_orders):
    groups = {(supplier, supplier.title(), "EUR"): Decimal(amount) for supplier, amount in open_orders.items()}
    return {figure.name: groups if figure is OPEN_ORDERS else {} for figure in FIGURES}


def test_what_agrees_passes():
    check_agreement(report(s1="0.10"), report(s1="0.1000"), "Power BI")


def test_a_cent_is_a_disagreement_and_is_told():
    with pytest.raises(DemoError) as failure:
        check_agreement(report(s1="0.10", s2="5"), report(s1="0.11"), "Power BI")
    assert str(failure.value).splitlines() == [
        "Power BI and IFS Cloud don't agree:",
        "  Open purchase orders by supplier, s1 S1 EUR: 0.10 in IFS Cloud, 0.11 in Power BI",
        "  Open purchase orders by supplier, s2 S2 EUR: 5.00 in IFS Cloud, nothing in Power BI",
    ]


def test_many_disagreements_are_counted():
    many = {f"s{number}": "1" for number in range(MOST_DIFFERENCES + 1)}
    with pytest.raises(DemoError, match=r"and 1 difference more$"):
        check_agreement(report(**many), report(), "Warehouse")


@pytest.fixture
def checkout(tmp_path):
    for name in ("meltano.yml", *PACKAGES):
        (tmp_path / name).touch()
    return tmp_path


def demo(root, *options):
    return CliRunner().invoke(main, ["demo", "--root", str(root), "--scale", "300", *options])


def test_a_folder_with_files_of_somebody_else_ends_the_demo_in_a_sentence(checkout):
    folder = checkout / FOLDER
    folder.mkdir(parents=True)
    (folder / "thesis.txt").touch()
    ran = demo(checkout)
    assert ran.exit_code == 1
    assert ran.output == f"Error: {folder} holds files that no demo made. Move them away, then run again.\n"


def test_a_folder_that_is_no_checkout_stays_as_it_is(tmp_path):
    ran = demo(tmp_path)
    assert ran.exit_code == 1
    assert "Run the demo in the folder of the clone." in ran.output
    assert list(tmp_path.iterdir()) == []


def test_without_meltano_the_demo_ends_in_a_sentence_and_its_sandbox_with_it(checkout):
    before = threading.active_count()
    ran = demo(checkout, "--meltano", str(checkout / "no" / "meltano"))
    assert ran.exit_code == 1
    assert "can't start Meltano" in ran.output
    assert threading.active_count() == before
