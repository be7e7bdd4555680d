//! Tests the loader as its users call it: layers in, a plan or every mistake out.

mod mistakes;
mod network;
mod precedence;
mod shipped;
mod sinks;
mod state;
