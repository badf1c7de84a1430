"""What runs on top of `edge` and `models`: pipeline, stores, curve archive, API, web and the command line.

journal --pipeline--> store, archive, verdict topic --> API --> browser
"""
