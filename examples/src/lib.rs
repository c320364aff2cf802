//! The entities of the Chinook example, in a crate of their own as an application would keep its models.

pub mod chinook;
