//! Holds the files for operators, and the names in them, to the code.

mod exposition;
mod files;
mod log_lines;
mod queries;
