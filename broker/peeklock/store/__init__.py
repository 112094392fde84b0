"""The journal: facts on disk, and back."""
