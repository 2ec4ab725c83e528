//! The real clock and the verdict on it.
