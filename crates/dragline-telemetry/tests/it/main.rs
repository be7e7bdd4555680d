//! Holds the files for operators, and the names in them, to the code.

mod exposition;
mod files;
mod queries;
