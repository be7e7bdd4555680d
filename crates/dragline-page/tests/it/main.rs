//! Runs the tests that look at this crate from outside.

mod limits;
mod oracle;
