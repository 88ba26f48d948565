"""Hides the encoder's weights from worker processes, which then measure no similarity: loading it takes seconds."""
