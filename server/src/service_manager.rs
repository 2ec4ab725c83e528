//! What the service manager is told: systemd's protocol of `sd_notify(3)`, a datagram with a line of text.
//!
//! A dozen lines of our own in place of a crate. Where nobody listens (`NOTIFY_SOCKET` is not set) nothing is sent, and a
//! message that does not arrive harms nothing but the service manager's patience.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The service manager, if there is one.
#[derive(Debug)]
pub struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    expects_signs_of_life: bool,
}

impl ServiceManager {
    /// The one that started this process, by its environment.
    #[must_use]
    pub fn of_this_process() -> Self {
        let address = std::env::var_os("NOTIFY_SOCKET");
        let watchdog = std::env::var_os("WATCHDOG_USEC").is_some();
        Self::at(address.as_deref(), watchdog)
    }

    fn at(address: Option<&OsStr>, expects_signs_of_life: bool) -> Self {
        let socket = address.and_then(|address| {
            let address = match address.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
                _ => SocketAddr::from_pathname(address),
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        });
        Self { socket, expects_signs_of_life }
    }

    /// The server listens, and every TSU has made a token.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The server ends in order.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// The server is alive: for `WatchdogSec=`, and only where that is set.
    pub fn alive(&self) {
        if self.expects_signs_of_life {
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, message: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(message.as_bytes(), address)
        {
            tracing::debug!(%error, message, "the service manager does not listen");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_socket_in_the_file_system_hears_what_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager::at(Some(path.as_os_str()), true);
        manager.ready();
        assert_eq!(heard(&listener), "READY=1");
        manager.alive();
        assert_eq!(heard(&listener), "WATCHDOG=1");
        manager.stopping();
        assert_eq!(heard(&listener), "STOPPING=1");
    }

    #[test]
    fn an_abstract_socket_hears_it_too() {
        let name = format!("attestamp-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        let manager = ServiceManager::at(Some(OsStr::new(&format!("@{name}"))), false);
        // Nobody asked for signs of life, so the first that is heard is the next one.
        manager.alive();
        manager.ready();
        assert_eq!(heard(&listener), "READY=1");
    }

    #[test]
    fn where_nobody_listens_nothing_happens() {
        ServiceManager::at(None, true).ready();
        ServiceManager::at(Some(OsStr::new("/nowhere/notify")), true).ready();
        ServiceManager::at(Some(OsStr::new("")), true).ready();
    }
}
