//! A socket with a name in the file system, which nobody but its owner may use.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

/// Names tried for a folder that must be new. Chosen: more sockets than one program opens at once.
const MAX_ATTEMPTS: u32 = 100;

/// A listener on a Unix socket that only its owner may use (mode 0600). It removes its file when it
/// is dropped.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file.
    identity: (u64, u64),
}

impl UnixSocket {
    /// Listens there. It takes the place of a socket that a dead server has left behind, and of
    /// nothing else.
    ///
    /// # Errors
    /// If another server listens there, or may; if there is a file that is no socket; if the path
    /// is longer than clients can name, some 100 bytes; or if the file cannot be made.
    pub fn bind(path: &Path) -> io::Result<Self> {
        // A longer path could be made by renaming, and nobody could connect to it.
        std::os::unix::net::SocketAddr::from_pathname(path)?;
        match fs::symlink_metadata(path) {
            Ok(file) if !file.file_type().is_socket() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "there is a file that is no socket",
                ));
            }
            Ok(_) => take_over(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // Nobody else can reach the socket before its permissions are set, and then it is there at
        // once.
        let private = private_folder(path)?;
        let bound = Self::bind_in(&private, path);
        let _is_removed = fs::remove_file(private.join("s")).is_ok();
        fs::remove_dir(&private)?;
        bound
    }

    fn bind_in(private: &Path, path: &Path) -> io::Result<Self> {
        let place = private.join("s");
        let listener = UnixListener::bind(&place)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o600))?;
        let identity = identity(&fs::symlink_metadata(&place)?);
        fs::rename(&place, path)?;
        Ok(Self { listener, path: path.to_owned(), identity })
    }

    /// Takes connections from a socket that somebody else has opened under this name. Its file is
    /// this one's to remove.
    ///
    /// # Errors
    /// If the descriptor is none of such a socket, or the file is not there.
    pub fn inherit(descriptor: OwnedFd, path: &Path) -> io::Result<Self> {
        let listener = std::os::unix::net::UnixListener::from(descriptor);
        // A descriptor of something else has no such address.
        if listener.local_addr()?.is_unnamed() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket has no name"));
        }
        listener.set_nonblocking(true)?;
        let identity = identity(&fs::symlink_metadata(path)?);
        let listener = UnixListener::from_std(listener)?;
        Ok(Self { listener, path: path.to_owned(), identity })
    }

    /// Lets go of it. The file stays: another process listens there.
    pub fn leave(mut self) {
        // No file has this number.
        self.identity = (0, 0);
    }

    /// The next connection. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// If there are no descriptors left, for example. The socket is still of use.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl AsFd for UnixSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Somebody may have put another one in its place.
        if fs::symlink_metadata(&self.path).is_ok_and(|file| identity(&file) == self.identity) {
            let _is_removed = fs::remove_file(&self.path).is_ok();
        }
    }
}

/// Whether a socket's place may be taken: only of one whose server is certainly dead.
fn take_over(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A server that is too busy to accept would make a connection wait.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // WouldBlock: its queue of connections is full, so it lives.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(in_use()),
        Err(error) => Err(error),
        Ok(()) => Err(in_use()),
    }
}

fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "another server listens there")
}

/// A new folder beside `path` that only its owner may enter.
fn private_folder(path: &Path) -> io::Result<PathBuf> {
    let mut attempt = 0;
    loop {
        let folder = path.with_file_name(format!(".ubf-{}-{attempt}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            // Another socket is being opened beside this one, or a process of the same number ended
            // half-way.
            Err(error)
                if error.kind() == io::ErrorKind::AlreadyExists && attempt < MAX_ATTEMPTS =>
            {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ubf-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        folder
    }

    #[tokio::test]
    async fn a_living_server_keeps_its_socket_even_if_it_does_not_accept() {
        let folder = folder("busy");
        let path = folder.join("s");
        let busy = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        busy.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        busy.listen(0).unwrap();
        let mut waiting = Vec::new();
        // Until its queue is full.
        loop {
            let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            match client.connect(&SockAddr::unix(&path).unwrap()) {
                Ok(()) => waiting.push(client),
                Err(_full) => break,
            }
        }
        let error = UnixSocket::bind(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        drop((busy, waiting));
        assert!(UnixSocket::bind(&path).is_ok(), "a dead one's place is taken");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn a_path_that_no_client_can_name_is_an_error() {
        let path = std::env::temp_dir().join("x".repeat(120));
        assert_eq!(UnixSocket::bind(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[tokio::test]
    async fn many_sockets_open_at_once_beside_each_other_and_beside_what_is_left() {
        let folder = folder("sockets");
        fs::create_dir(folder.join(format!(".ubf-{}-0", std::process::id()))).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let sockets: Vec<_> = std::thread::scope(|scope| {
            let open = |number: u32| {
                let (runtime, path) = (runtime.clone(), folder.join(number.to_string()));
                scope.spawn(move || {
                    let _entered = runtime.enter();
                    UnixSocket::bind(&path).unwrap()
                })
            };
            let threads: Vec<_> = (0..16).map(open).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(sockets.len(), 16);
        drop(sockets);
        // Only what was left before is left.
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
