"""How fast, in one run for us and for whom we compare with. `make bench`; see README.md."""
