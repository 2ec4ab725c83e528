//! The verifier against tokens of `openssl ts -reply` and of our own issuing side, and against forgeries: tokens that are right in all but one thing
//! and signed with the true key, each refused with its own error.

mod forgery;
mod good;
mod issued;
mod nested;
mod octets;
mod openssl;
mod refused;
