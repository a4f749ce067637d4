"""What each kind of warehouse can do, as data; no driver is needed to read it."""
