//! A PKCS#11 module that wraps another one and fails on command. For tests: nothing that is released links it.
//!
//! What a test wants of a token cannot be asked of a real one: that the next C_Sign returns CKR_DEVICE_ERROR, that all
//! sessions are lost, that a signature takes 5 ms or hangs until the test lets it go. So this library stands between
//! attestamp and the real module, and passes every call on unless a rule says otherwise ([`rules`]).
//!
//! It takes nothing from the environment. Beside the library `NAME.so` lies `NAME.conf`: the real module's path in the
//! first line, commands in those that follow. While it runs, commands are taken on the Unix socket `NAME.sock`
//! ([`control`]). Each copy of the file is a module of its own, so that one process can have several.
//!
//! Functions that [`functions`] does not name go to the real module as they are. Only PKCS#11 v2.40 is offered.

mod control;
mod functions;
mod real;
mod rules;

use std::sync::OnceLock;

use cryptoki_sys::{CK_FUNCTION_LIST, CK_RV, CKR_ARGUMENTS_BAD, CKR_GENERAL_ERROR, CKR_OK};

use real::Real;

/// The wrapped module and our function list, made at the first C_GetFunctionList.
struct Wrapped {
    real: Real,
    /// The real functions, by their place in [`functions::NAMES`].
    pointers: Vec<Option<functions::AnyFunction>>,
    /// What C_GetFunctionList gives.
    list: CK_FUNCTION_LIST,
}

static WRAPPED: OnceLock<Option<Wrapped>> = OnceLock::new();

fn wrapped() -> Option<&'static Wrapped> {
    WRAPPED.get_or_init(wrap).as_ref()
}

fn wrap() -> Option<Wrapped> {
    let own = real::own_path()?;
    let text = std::fs::read_to_string(own.with_extension("conf")).ok()?;
    let mut lines = text.lines();
    let real = Real::load(lines.next()?.trim())?;
    for line in lines.filter(|line| !line.trim().is_empty()) {
        control::obey(line);
    }
    control::listen(&own.with_extension("sock"))?;
    let (pointers, list) = (functions::pointers(&real.list), functions::hooked(&real.list));
    Some(Wrapped { real, pointers, list })
}

#[expect(unsafe_code, reason = "a C symbol that is found by its name, and writes through its argument")]
mod exported {
    use super::*;

    /// PKCS#11 v3.2 §5.4.4: writes the address of the version 2.40 function list.
    #[allow(non_snake_case, reason = "PKCS#11 v3.2 fixes this name")]
    #[unsafe(no_mangle)]
    extern "C" fn C_GetFunctionList(list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
        if list.is_null() {
            return CKR_ARGUMENTS_BAD;
        }
        let Some(wrapped) = wrapped() else { return CKR_GENERAL_ERROR };
        // The caller gives room for one pointer; nobody writes through the one that it gets (PKCS#11 v3.2 §5.4.4).
        unsafe { *list = (&raw const wrapped.list).cast_mut() };
        CKR_OK
    }
}
