"""The embedded store: one DuckDB file beside the pipeline.

    Commit --one transaction--> tables --a connection per call--> Arrow tables
                                  |
                                  hours that are over --> counts, and where ids and bodies are (`counted`)

`sql` has the statements of commits and questions, `counted` those of closing hours and where to search; `store` runs
them. When hours are closed and which counts a question takes are for both stores: `services.store.closing`, `counting`.
"""
