"""Who may do what: users, their sessions, machines' tokens, and the audit log, in one SQLite file.

`accounts` puts the parts together, `model` has the words (roles, callers, errors), `database` the file, `passwords`
what a good one is and its hash, `limiter` how often one may guess. The command line and the server work on the file at
the same time, and what either changes holds at once. Nothing here knows of the web.
"""
