//! Writes records to files in settle order.
