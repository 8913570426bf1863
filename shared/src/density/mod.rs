//! density.
