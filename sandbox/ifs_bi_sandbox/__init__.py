"""Stand-ins for IFS Cloud, Power BI and Looker."""
