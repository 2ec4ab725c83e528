//! The `attestamp` program.

fn main() {}
