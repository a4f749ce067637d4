"""Singer target for Power BI.

Where to find what:

- The command: `target`, `setting_table`, `settings`; what `tables` may say: `choices`.
- From SCHEMA to table: `tables`, `columns`, with what the shipped `model` adds: `measures`, `relationships`. What becomes
  of a standing table: `schema_check` (`differences`, `probe`), of the dataset: `dataset`.
- From row to row: `sinks`, `rows`, `values`, and many values at once in `value_columns`.
- Which rows leave: `changes` compares them with the kept ones (`kept`, in a `kept_file`). `delivery` appends, `rewriting`
  fills a table anew; `signed` is the delivery of that write mode; `repeated` knows rows of `append` that come again.
- How they leave: `posting`, in `bodies` that fit, at the `pace` of the `limits`, as long as there is `capacity`. After a
  lost answer `doubt` finds out; `traffic` is what later runs need to know.
- Microsoft's services: `api`, `outcomes` (what each refusal means), `sign_in`, `certificate`, names in `dax`.
- A mirrored database in Fabric: `mirroring`, with sinks and a delivery of its own.
- Verbs of `ifs-bi`: `command`, `ping`; what the limits leave: `allowance`.
"""
