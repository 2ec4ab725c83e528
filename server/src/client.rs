//! The client side: an HTTP client for `stamp` and `bench`.
