//! Tells users of other libraries what their words are called here, and what differs.
#![doc = include_str!("coming_from.md")]
