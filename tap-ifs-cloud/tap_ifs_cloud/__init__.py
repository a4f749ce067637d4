"""Singer tap for IFS Cloud.

Where to find what:

- The command: `tap`, `settings`, `input_files`; from settings to a client: `connection`, `token`, `client`. What each answer
  means is a table in `outcomes`; how long one is waited for, `patience`.
- What there is to read: `entities` is the catalogue, `candidates` where else its rows may be, `metadata` (kept by
  `metadata_cache`) what the tenant has. `joined` makes a `source` of both, with the `schema` of its stream; `paths` are sets
  that IFS keys by company.
- A stream: `streams` on `page_stream`, one `reading` with its `surroundings` for each company (`parts`, `span`,
  `allowed_companies`) or stage (`stages`).
- How changes are found: `full`, `timestamp` (`window`), `row_version` (`versions`). Which rows are gone: `deletes`,
  `key_scan`, `history_log`. What was delivered is known to `delivered`, in the file of `key_store`.
- What is asked: `asking` and `key_filter` put addresses together of what `odata` writes. What of an entity's own filter the tap
  judges itself: `state_filter`, by `conditions`.
- From page to page: `paging` decides, and `learned` travels in the state. `set_pages` does it for streams, many requests at once
  by `ahead`, `in_flight` and `turns` (`heap`); `set_rows` for small sets beside them.
- From row to record: `rows` one by one, `wire_rows`, `record_pages` and `record_values` a page at a time; `time_zone`.
- Verbs of `ifs-bi`: `catalogue_command` (`offer`, `offer_text`, `first_row`, `projections`), `ping` (`page_limits`), figures for
  comparisons in `counting` (`entire_streams`, `sums`, `key_listing`), and `write_back`.
"""
