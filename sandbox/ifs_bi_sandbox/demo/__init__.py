"""The demo: both pipes from the sandbox's IFS Cloud, a day of business between two runs, and the report that follows."""
