//! Reads meaning out of the bytes of a page.
