//! The data folder: its layout and its lock.
