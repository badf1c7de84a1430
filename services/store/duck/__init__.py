"""The embedded store: one DuckDB file beside the pipeline.

    Commit --one transaction--> tables --a connection per call--> Arrow tables
                                  |
                                  closing --hours that are over--> counts, and where ids and bodies are (`counted`)

`sql` has the statements of commits and questions, `counted` those of closing and which counts a question takes, `spans`
the arithmetic of time ranges; `store` runs them.
"""
