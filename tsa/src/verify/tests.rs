//! The verifier against tokens of `openssl ts -reply`, against our own issuing side, and against forgeries: tokens that
//! are right in all but one thing and signed with the true key, each refused with its own error.

mod good;
mod openssl;
