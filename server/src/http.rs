//! HTTP: listener, limits, routes.
