"""The page in a real browser, over one plant; a package, so that both end with its last test and not with the run.

Playwright keeps an event loop while it runs, which no test after it could bear.
"""
