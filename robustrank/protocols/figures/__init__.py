"""The figures of each protocol that a gate can name, declared in one file a protocol."""
