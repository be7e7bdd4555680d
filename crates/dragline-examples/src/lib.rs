//! Holds nothing: the package exists for the examples and benches at the top of the repository.
