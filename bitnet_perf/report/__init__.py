"""Evidence lines, the five-section report, Markdown and JSON."""
