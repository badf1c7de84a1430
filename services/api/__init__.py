"""The query layer: FastAPI over a `Store`, the curve archive and the live feed, and the web application's files.

`app` puts it together, `routes` answer, `schemas` are the shapes on the wire, `problems` are its errors (RFC 9457),
`tables` gives every list as JSON, CSV or Arrow, `live` fans the broker's verdict topics out to every browser.
"""
