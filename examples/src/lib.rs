//! The entities of the example `chinook`, in a separate crate, as applications often organise their models.

pub mod chinook;
