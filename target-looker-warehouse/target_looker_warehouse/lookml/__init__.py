"""LookML from the SCHEMAs of streams: a project that Looker takes, in files that nobody edits.

Both ways in, `command` and `after_load` (the setting `lookml_dir`), end in `updating`: tables become `relations`, these a
`project`, and `writing` puts it into a folder. A project has `views` (of `fields`, `measures` and a `hierarchy`),
`explores` (by `references`) and a `dashboard`, and is held against `rules` before it is written. What SCHEMAs don't tell
stands in `facts`.
"""
