"""One run of an audit."""
