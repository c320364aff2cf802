//! Nothing: accepted forms are in `tests/accepted`, mistakes in `fail`.
