//! Tests of the whole gate on a scripted clock.
