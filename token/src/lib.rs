//! The embedded PKCS#11 token: kryoptic, linked into the program.
//!
//! A PKCS#11 module is found by its C entry points. Linked statically, those are symbols of the program itself, and
//! `cryptoki::context::Pkcs11::new_from_self()` finds them there, if the linker was told to export them: every package
//! with a binary or tests needs the lines of `hsm/build.rs` in its own.
//!
//! C_Initialize takes its configuration through a raw pointer, which `cryptoki` hands over in unsafe code only, so that
//! one call is made here, for a database path; every other call is made through `cryptoki`. Built as a cdylib, the same token
//! can be opened by `pkcs11-tool`, its database named by the environment variable `KRYOPTIC_CONF`.
//!
//! This folder does nothing else: no sessions, no keys, no policy.

use std::ffi::CStr;

use kryoptic_lib::fns::general;
use kryoptic_lib::pkcs11::{CK_C_INITIALIZE_ARGS, CKF_OS_LOCKING_OK};

/// Calls C_Initialize for the token whose SQLite database is at this path, and returns the CKR code.
///
/// The path must end in `.sql`: kryoptic takes any other string for something else. A database that does not exist is
/// created, empty. Called again with another path it adds a slot, with the next free number, and returns
/// `CKR_CRYPTOKI_ALREADY_INITIALIZED` (0x191) all the same; with a path that it already has, it changes nothing.
///
/// A database that cannot be opened stays in kryoptic's configuration and fails every later call, until C_Finalize.
#[must_use]
pub fn initialise(database: &CStr) -> u64 {
    let mut arguments = CK_C_INITIALIZE_ARGS {
        CreateMutex: None,
        DestroyMutex: None,
        LockMutex: None,
        UnlockMutex: None,
        flags: CKF_OS_LOCKING_OK,
        pReserved: database.as_ptr().cast_mut().cast(),
    };
    // `arguments` and `database` outlive the call, and kryoptic copies the string (config.rs,
    // `from_legacy_conf_string`) without writing through the pointer.
    general::fn_initialize((&raw mut arguments).cast())
}

mod exported {
    //! The three C names, each one call deep.
    #![allow(non_snake_case, reason = "PKCS#11 v3.2 fixes these names")]
    #![expect(unsafe_code, reason = "a C symbol that is found by its name must not be mangled")]

    use kryoptic_lib::fns::general;
    use kryoptic_lib::pkcs11::{
        CK_FLAGS, CK_FUNCTION_LIST_PTR_PTR, CK_INTERFACE_PTR, CK_INTERFACE_PTR_PTR, CK_RV, CK_ULONG_PTR,
        CK_UTF8CHAR_PTR, CK_VERSION_PTR,
    };

    /// PKCS#11 v3.2 §5.4.4: writes the address of the version 2.40 function list.
    #[unsafe(no_mangle)]
    pub(crate) extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
        general::fn_get_function_list(list)
    }

    /// PKCS#11 v3.2 §5.4.5: lists the interfaces (versions) that the module has.
    #[unsafe(no_mangle)]
    pub(crate) extern "C" fn C_GetInterfaceList(list: CK_INTERFACE_PTR, count: CK_ULONG_PTR) -> CK_RV {
        general::fn_get_interface_list(list, count)
    }

    /// PKCS#11 v3.2 §5.4.6: writes the address of one interface, by name and version.
    #[unsafe(no_mangle)]
    pub(crate) extern "C" fn C_GetInterface(
        name: CK_UTF8CHAR_PTR,
        version: CK_VERSION_PTR,
        interface: CK_INTERFACE_PTR_PTR,
        flags: CK_FLAGS,
    ) -> CK_RV {
        general::fn_get_interface(name, version, interface, flags)
    }
}

/// Keeps the token's entry points in the program that calls this.
///
/// Nothing in Rust refers to them, so the linker would drop them; call it once before looking the module up.
pub fn keep_linked() {
    std::hint::black_box((
        exported::C_GetFunctionList as *const (),
        exported::C_GetInterfaceList as *const (),
        exported::C_GetInterface as *const (),
    ));
}
