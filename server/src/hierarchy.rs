//! The hierarchy that `init` makes.
