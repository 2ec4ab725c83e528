//! HTTP in front of the authority: listeners, limits, routes (RFC 3161 §3.4, RFC 9110).
//!
//! On hyper without a framework: what is needed is a dozen fixed routes, and every limit must be in our hands. The way of
//! a request: `listener` admits the connection, `connection` drives it under its deadlines, `router` answers. What a
//! timestamp is, is decided behind [`Backend`]; nothing here parses ASN.1.

mod activity;
mod address;
mod attestation;
mod backend;
mod body;
pub(crate) mod commands;
mod connection;
mod ledger;
mod limits;
mod listener;
mod media_type;
mod origin;
mod page;
mod problem;
mod rate;
mod registry;
mod reply;
pub mod route;
mod router;
mod server;
mod timed_io;
mod tls;
pub(crate) mod tsu_view;

pub use self::{
    activity::Overdue,
    backend::{Backend, RequestId, StampRequest},
    limits::{AddressRate, HEADER_BYTES_MINIMUM, HttpLimits},
    listener::{BindError, Bound, ListenerConfig, ServeConfig, raise_open_file_limit, serve},
    origin::{PublicUrl, PublicUrlInvalid},
    registry::NotAdmitted,
    route::Route,
    tls::{Tls, TlsError, TlsPaths},
};
