"""LookML from the SCHEMAs of streams: a project that Looker takes, in files that nobody edits."""
