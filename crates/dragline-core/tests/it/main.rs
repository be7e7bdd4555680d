//! Runs the core against cases from outside and against models of itself.

mod robots;
