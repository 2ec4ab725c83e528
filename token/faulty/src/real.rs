//! The wrapped module: loaded by its path, never unloaded.
#![expect(unsafe_code, reason = "loading a C library and asking where our own one lies")]

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use cryptoki_sys::{CK_FUNCTION_LIST, CK_RV, CKR_OK};
use libloading::{Library, Symbol};

/// A loaded module.
pub(crate) struct Real {
    /// Its functions.
    pub(crate) list: CK_FUNCTION_LIST,
    /// Keeps its code where `list` points.
    _library: Library,
}

impl Real {
    /// Loads the module at this path.
    pub(crate) fn load(path: &str) -> Option<Self> {
        type GetFunctionList = unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV;
        // A PKCS#11 module that the test chose: its initialisers are as trusted as the test.
        let library = unsafe { Library::new(path) }.ok()?;
        let mut list: *mut CK_FUNCTION_LIST = std::ptr::null_mut();
        // The symbol has this type in every PKCS#11 module, and writes one pointer.
        let returned = unsafe {
            let get: Symbol<'_, GetFunctionList> = library.get(b"C_GetFunctionList\0").ok()?;
            get(&raw mut list)
        };
        // A module's list lies in its static memory (PKCS#11 v3.2 §5.4.4).
        let list = unsafe { list.as_ref() }.filter(|_| returned == CKR_OK)?;
        Some(Self { list: *list, _library: library })
    }
}

/// Where this library lies.
pub(crate) fn own_path() -> Option<PathBuf> {
    let mut found: libc::Dl_info = unsafe { std::mem::zeroed() };
    let inside: *const () = own_path as *const ();
    // `inside` is an address in this library, `found` room for the answer.
    if unsafe { libc::dladdr(inside.cast(), &raw mut found) } == 0 || found.dli_fname.is_null() {
        return None;
    }
    // The loader's own string, which lives as long as the library.
    let name = unsafe { CStr::from_ptr(found.dli_fname) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}
