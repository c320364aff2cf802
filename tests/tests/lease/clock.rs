//! A clock that is behind: a new backup never sorts before the latest.
