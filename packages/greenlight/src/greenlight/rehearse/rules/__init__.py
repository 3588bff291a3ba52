"""The rules about what was observed, one file each."""
