"""HTML pages, console output and spreadsheets of results."""
