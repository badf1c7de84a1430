"""The embedded store: one DuckDB file beside the pipeline.

    Commit --one transaction--> tables --a cursor per call--> Arrow tables

`sql` holds every statement, `store` runs them.
"""
