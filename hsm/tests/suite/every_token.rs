//! The tests that every token has to pass; `embedded.rs` and `softhsm.rs` run them. Those in `post_quantum.rs` are for
//! tokens that have ML-DSA and SLH-DSA, of which the embedded one is the only one here.
//!
//! They lie in a folder, and are named by `#[path]`, because Cargo takes each file of `tests/` for a test program.

pub(crate) mod fixture;
pub(crate) mod keys;
pub(crate) mod pool;
pub(crate) mod tokens;

/// One `#[test]` for each name.
macro_rules! suite {
    ($($module:ident::$name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            suite::fixture::run(stringify!($name), suite::$module::$name);
        })*
    };
}
pub(crate) use suite;

/// Every test of the suite.
macro_rules! whole_suite {
    () => {
        suite::suite! {
            tokens::a_token_is_found_by_what_it_says_of_itself,
            tokens::a_wrong_pin_is_refused_and_costs_one_try,
            tokens::opening_twice_shares_the_module,
            tokens::a_second_token_of_the_same_label_is_refused,
            keys::every_classical_algorithm_signs_and_openssl_agrees,
            keys::generated_keys_are_for_signing_only_and_stay_in_the_token,
            keys::an_id_is_used_once,
            keys::keys_are_found_by_id_and_label_and_never_guessed,
            keys::a_destroyed_key_is_gone,
            pool::eight_threads_get_valid_signatures_inline,
            pool::eight_threads_get_valid_signatures_from_threads,
            pool::a_pool_for_another_public_key_does_not_start,
            pool::lost_sessions_are_opened_again_within_the_request,
            pool::two_pools_come_back_after_the_module_was_finalised,
            pool::the_token_works_on_after_the_module_was_finalised,
            pool::a_key_replaced_under_the_same_id_stays_down,
            pool::a_pool_with_a_wrong_pin_goes_down_and_locks_nothing,
            pool::a_destroyed_key_leaves_the_pool_recovering,
        }
    };
}
pub(crate) use whole_suite;
