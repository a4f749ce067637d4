"""What has happened up to today: every order from its first day to where it stands, and the vouchers of each month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.business import courses, purchasing, selling, settling, vouchers
from ifs_bi_sandbox.data.business.books import Books, Moment
from ifs_bi_sandbox.data.business.chart import ACCRUALS, EXPENSES, RENT, SALARIES, Codes
from ifs_bi_sandbox.data.business.dice import Dice, days
from ifs_bi_sandbox.data.business.group import COMPANIES, Company
from ifs_bi_sandbox.data.business.invoicing import CUSTOMER, SUPPLIER, Invoice, Share
from ifs_bi_sandbox.data.business.money import PARITY, ZERO, part
from ifs_bi_sandbox.data.business.shares import order_shares, sales_shares
from ifs_bi_sandbox.data.business.vouchers import Entry, Voucher

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from ifs_bi_sandbox.data.business.partners import Partner
    from ifs_bi_sandbox.data.values import Row

LAST = 3  # days before today: there always is an open order, an unpaid invoice and a voucher in hold
ORDERS_PER_EXPENSE = 10  # so many orders for one invoice that refers to none
PLACES = [(company, site) for company in COMPANIES for site in company.sites]


@dataclass(frozen=True)
class History:
    """Writes the past into the books, from the day ``start`` to the books' today."""

    books: Books
    dice: Dice
    codes: Codes
    start: date

    def purchases(self, count: int, suppliers: Sequence[Partner]) -> None:
        """So many purchase orders with their invoices and payments, and some invoices that refer to no order."""
        for ordered in self._spread(count):
            self._purchase(ordered, self.dice.favourite(suppliers))
        for on in self._spread(max(2, count // ORDERS_PER_EXPENSE)):
            company, _ = self.dice.pick(PLACES)
            codes = {"CodeB": self.dice.pick(self.codes.cost_centres)}
            share = Share(self.dice.pick(EXPENSES), self.dice.price(50, 30_000), codes, "Recurring cost")
            self._supplier_invoice(company, self.dice.favourite(suppliers), None, on, [share])

    def sales(self, count: int, customers: Sequence[Partner]) -> None:
        """So many customer orders with their invoices and payments."""
        for ordered in self._spread(count):
            self._sale(ordered, self.dice.favourite(customers))

    def month_voucher(self, first: date) -> None:
        """Salaries and rent of each company, booked straight into the general ledger on the first day of the month."""
        for company in COMPANIES:
            entries = []
            for centre in self.codes.cost_centres[:2]:
                for account, text, most in ((SALARIES, "Salaries", 400_000), (RENT, "Rent", 60_000)):
                    amount = self.dice.price(most // 10, most)
                    entries.append(Entry(account, amount, amount, {"CodeB": centre}, f"{text} {first:%Y-%m}"))
            total = sum((entry.amount for entry in entries), ZERO)
            entries.append(Entry(ACCRUALS, -total, -total, text=f"Accrued {first:%Y-%m}"))
            booking = self.books.booking(company, vouchers.MANUAL, Moment(first, f"{first.isoformat()}T06:00:00"))
            voucher = Voucher(
                company=company,
                kind=booking.kind,
                number=booking.number,
                on=first,
                currency=company.currency,
                rate=PARITY,
                created=booking.created,
                entries=entries,
            )
            posted = f"{first.isoformat()}T06:30:00"
            for row in vouchers.hold_rows(voucher):
                self.books.write("gen_led_voucher_row", vouchers.ledger_row(row, posted), posted)

    def _purchase(self, ordered: date, supplier: Partner) -> None:
        dice, today = self.dice, self.books.today
        company, site = dice.pick(PLACES)
        order = purchasing.Order(
            number=str(self.books.number("purchase order")),
            supplier=supplier,
            company=company,
            site=site,
            ordered=ordered,
            entered=dice.instant(ordered, today),
            wanted=ordered + days(dice.between(7, 45)),
            items=purchasing.some_items(dice),
        )
        course = courses.purchase_course(ordered, order.wanted, today, dice)
        changed = order.entered if course.changed == ordered else dice.instant(course.changed, today)
        progress = purchasing.Progress(
            state=course.state,
            line_states=courses.line_states(course, len(order.items), dice),
            changed=changed,
            delivered=f"{course.delivered.isoformat()}T07:00:00" if course.delivered else None,
        )
        self.books.write("purchase_order", purchasing.order_row(order, progress, dice), changed)
        lines = purchasing.line_rows(order, progress, dice)
        for line in lines:
            self.books.write("purchase_order_line", line, changed)
        if course.invoiced:
            shares = order_shares(lines, self.codes, dice)
            self._supplier_invoice(company, supplier, order.number, course.invoiced, shares)

    def _supplier_invoice(
        self, company: Company, supplier: Partner, order: str | None, on: date, shares: Sequence[Share]
    ) -> None:
        dice, today = self.dice, self.books.today
        invoice_id = self.books.number(f"invoice {company.code}")
        terms = dice.pick(("15", "30", "30", "60"))
        invoice = Invoice(
            company=company,
            party_type=SUPPLIER,
            partner=supplier,
            invoice_id=invoice_id,
            number=f"{dice.pick(('', 'F#', 'RE/', '2026 '))}{invoice_id}",
            order=order,
            on=on,
            due=on + days(int(terms)),
            terms=terms,
            shares=shares,
        )
        posted = on + days(dice.between(0, 3))
        at = dice.instant(posted, today)
        settled = today - days(10)  # an invoice that young is neither forgotten nor cancelled
        if posted > today or (on < settled and dice.chance(6)):
            self.books.supplier_invoice(invoice, "Preliminary", None, dice.instant(on, today))
        elif on < settled and dice.chance(2):
            self.books.supplier_invoice(invoice, "Cancelled", None, at)
        else:
            item, changed = self._settled(invoice, vouchers.SUPPLIER_INVOICE, Moment(posted, at))
            unpaid = "PostedAuth" if dice.chance(60) else "Posted"
            state = {"Unpaid": unpaid, "PartlyPaid": "PartlyPaidPosted", "Paid": "PaidPosted"}[item["Objstate"]]
            self.books.supplier_invoice(invoice, state, item, changed)

    def _sale(self, ordered: date, customer: Partner) -> None:
        dice, today = self.dice, self.books.today
        company, site = dice.pick(PLACES)
        order = selling.Order(
            number=selling.order_number(self.books.number("customer order")),
            customer=customer,
            company=company,
            site=site,
            ordered=ordered,
            entered=dice.instant(ordered, today),
            wanted=ordered + days(dice.between(5, 30)),
            items=selling.some_items(dice),
        )
        course = courses.sales_course(ordered, order.wanted, today, dice)
        changed = order.entered if course.changed == ordered else dice.instant(course.changed, today)
        self.books.write("customer_order", selling.order_row(order, course.state, dice), changed)
        for line in selling.line_rows(order, course.state, course.delivered, dice):
            self.books.write("customer_order_line", line, changed)
        if course.invoiced:
            invoice_id = self.books.number(f"invoice {company.code}")
            invoice = Invoice(
                company=company,
                party_type=CUSTOMER,
                partner=customer,
                invoice_id=invoice_id,
                number=f"CD{invoice_id}",
                order=order.number,
                on=course.invoiced,
                due=course.invoiced + days(30),
                terms="30",
                shares=sales_shares(order),
            )
            self._settled(invoice, vouchers.CUSTOMER_INVOICE, Moment(course.invoiced, changed))

    def _settled(self, invoice: Invoice, kind: str, moment: Moment) -> tuple[Row, str]:
        """Book an invoice and what was paid of it; gives the ledger item and the instant of its last change."""
        item, changed = self.books.open_item(invoice, kind, moment), moment.at
        for on, per_cent in courses.payment_plan(invoice.due, self.dice):
            if on > self.books.today:
                break
            changed = self.dice.instant(on, self.books.today)
            rest = item["FullCurrAmount"] - item["ClearedCurrAmount"]
            amount = part(rest, per_cent)
            centre = self.codes.cost_centres[0]
            payment = self.books.payment(invoice.company, item, amount, Moment(on, changed), centre)
            item = {**item, **settling.cleared(payment, changed)}
        self.books.write("ledger_item", item, changed)
        return item, changed

    def _spread(self, count: int) -> Iterator[date]:
        """So many days in order, evenly from the start to today; the very last is `LAST` days before."""
        span = (self.books.today - self.start).days
        for number in range(count - 1):
            yield self.start + days((number * span + self.dice.between(0, span)) // count)
        yield self.books.today - days(LAST)
