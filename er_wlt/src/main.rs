//! Weak lottery tickets: train a fixed random mask.

fn main() {}
