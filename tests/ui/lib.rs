//! Nothing: the cases are in `pass` and `fail`, the suite in `tests`.
