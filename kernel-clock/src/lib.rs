//! What the kernel says of its own clock: `adjtimex(2)` with modes 0, which reads and changes nothing.
//!
//! A folder of its own because no maintained crate wraps this call, and because the call is `unsafe`: it is the only
//! one here, so that the folders which decide about time stay free of `unsafe`. What the numbers mean for a
//! timestamping authority is decided in `server/src/clock`, not here.
