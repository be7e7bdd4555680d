//! Gathers the crates of Dragline behind one name.
