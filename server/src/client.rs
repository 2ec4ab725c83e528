//! The client side of RFC 3161: `stamp` asks authorities for tokens, `bench` loads one and measures.
//!
//! `stamp` goes through [`stamper`] (failover, retries, what a reply must match), which uses [`transport`] (one HTTP
//! exchange). `bench` goes through [`load`], which speaks HTTP on connections of its own, because a connection pool
//! would be measured along. Both look into replies with [`reply`]; signatures are verified in `attestamp_tsa::verify`.

pub mod address;
pub mod answer;
pub mod attempt;
pub mod files;
pub mod gen_time;
pub mod load;
pub mod output;
pub mod process_cpu;
pub mod query;
pub mod reply;
pub mod retry;
pub mod stamper;
pub mod tls;
pub mod transport;
pub mod verification;

#[cfg(test)]
mod test_server;
