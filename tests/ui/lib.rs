//! An empty library. The accepted forms are in `tests/accepted`, and the refused forms in `fail`.
