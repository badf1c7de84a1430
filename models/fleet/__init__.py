"""Automated guided vehicles: the one internal form into which every VDA 5050 version is mapped."""
