//! What the program's supervisor is told, if it is one like systemd (`sd_notify`): that the server
//! is ready, which process it is, and that it lives.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tracing::warn;

/// The way to the supervisor.
#[derive(Debug)]
pub(crate) struct Supervisor {
    /// `None`: there is none.
    way: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants to hear that the program lives.
    period: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names.
    pub(crate) fn of_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let period = std::env::var("WATCHDOG_USEC").ok();
        Self::new(socket.as_deref(), period.as_deref())
    }

    fn new(socket: Option<&OsStr>, watchdog_us: Option<&str>) -> Self {
        let way = socket.and_then(|name| match way(name) {
            Ok(way) => Some(way),
            Err(error) => {
                warn!(socket = ?name, %error, "the supervisor cannot be told anything");
                None
            }
        });
        let period = watchdog_us.and_then(|text| text.parse().ok());
        // Twice as often as it must be.
        let period = period.filter(|&us: &u64| us > 1).map(|us| Duration::from_micros(us / 2));
        Self { way, period }
    }

    /// The server listens. A process that took over from another one is the service's main process
    /// from here on.
    pub(crate) fn ready(&self) {
        self.tell(&format!("MAINPID={}\nREADY=1\n", std::process::id()));
    }

    /// Tells again and again that the program lives, if that is wanted: for as long as it is
    /// polled, and so for as long as the program's own task runs.
    pub(crate) async fn live(&self) -> Infallible {
        loop {
            match self.period {
                Some(period) if self.way.is_some() => {
                    self.tell("WATCHDOG=1\n");
                    tokio::time::sleep(period).await;
                }
                Some(_) | None => std::future::pending().await,
            }
        }
    }

    /// A supervisor that does not listen stops nothing.
    fn tell(&self, text: &str) {
        if let Some((socket, to)) = &self.way
            && let Err(error) = socket.send_to_addr(text.as_bytes(), to)
        {
            warn!(%error, "the supervisor was not told");
        }
    }
}

/// A path, or on Linux a name that begins with `@` and is in no file system.
fn way(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::ffi::OsStrExt as _;

        if let Some(name) = name.as_bytes().strip_prefix(b"@") {
            return Ok((socket, SocketAddr::from_abstract_name(name)?));
        }
    }
    Ok((socket, SocketAddr::from_pathname(name)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut text = [0; 128];
        let count = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..count].to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_supervisor_hears_that_the_program_is_ready_and_that_it_lives() {
        let path = std::env::temp_dir().join(format!("ubf-notify-{}", std::process::id()));
        let socket = UnixDatagram::bind(&path).unwrap();
        let supervisor = Supervisor::new(Some(path.as_os_str()), Some("3000000"));
        supervisor.ready();
        assert_eq!(heard(&socket), format!("MAINPID={}\nREADY=1\n", std::process::id()));
        let living = supervisor.live();
        assert!(tokio::time::timeout(Duration::from_millis(3100), living).await.is_err());
        for _ in 0..3 {
            assert_eq!(heard(&socket), "WATCHDOG=1\n");
        }
        socket.set_nonblocking(true).unwrap();
        assert!(socket.recv(&mut [0]).is_err(), "every second and a half, and no more often");
        // One that is gone stops nothing.
        std::fs::remove_file(&path).unwrap();
        supervisor.ready();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_in_no_file_system_is_one_too() {
        use std::os::linux::net::SocketAddrExt as _;

        let name = format!("ubf-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Supervisor::new(Some(OsStr::new(&format!("@{name}"))), None).ready();
        assert!(heard(&socket).ends_with("READY=1\n"));
        Supervisor::new(None, Some("soon")).ready();
    }
}
