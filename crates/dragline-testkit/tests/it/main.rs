//! Holds the repository to its own rules of form.

mod tidy;
mod tree;
