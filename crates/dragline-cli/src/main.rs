//! Starts the `dragline` program.

fn main() {}
