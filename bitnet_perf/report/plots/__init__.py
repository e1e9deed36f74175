"""Pictures of a report as inline SVG, drawn without a library: each with a text and a table."""
