"""How a company group does business: the rows that orders, invoices, payments and vouchers leave behind.

The generator and the changes both go through these modules, so both keep the same books.
"""
