"""One module per resource family; each has a `router`."""
