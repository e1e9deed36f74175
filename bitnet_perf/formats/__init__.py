"""Packed formats: names, sizes, tilings, and the objects that hold packed weights."""
